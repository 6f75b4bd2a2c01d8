"""The only module that uses TensorFlow's private recording interface.

If a tape is watching, the forward pass finds the gradient too, and there is no public way to ask.
If TensorFlow moves these functions, is_watched is False: the plain loss op runs, and its registered
gradient computes the gradient from the images again, which is right but slower.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

import tensorflow as tf

try:
    from tensorflow.python.eager.forwardprop_util import pack_tangents as _pack_tangents
    from tensorflow.python.eager.record import record_operation as _record_operation
    from tensorflow.python.eager.record import should_record_backprop as _should_record_backprop
    from tensorflow.python.eager.record import stop_recording as _stop_recording
except ImportError:  # pragma: no cover - a TensorFlow whose internals moved
    _should_record_backprop = None


def is_watched(tensors: Sequence[tf.Tensor]) -> bool:
    """Whether an active GradientTape watches any of the tensors.

    False inside a tf.function if the tape is outside of it, and for a ForwardAccumulator.
    """
    return _should_record_backprop is not None and _should_record_backprop(list(tensors))


def has_tangents(tensors: Sequence[tf.Tensor]) -> bool:
    """Whether an active ForwardAccumulator follows any of the tensors."""
    return bool(_pack_tangents(list(tensors)).indices)


def stop_recording() -> AbstractContextManager:
    """A context in which no tape records."""
    return _stop_recording()


def record(
    name: str,
    outputs: Sequence[tf.Tensor],
    inputs: Sequence[tf.Tensor],
    backward: Callable[..., Sequence[tf.Tensor | None]],
) -> None:
    """Tells the tapes that outputs came from inputs; backward(*d_outputs) returns d_inputs."""
    _record_operation(name, list(outputs), list(inputs), backward)
