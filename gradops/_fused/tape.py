"""The only place that touches TensorFlow's private recording interface.

Whether a tape is watching decides if the forward pass also produces the gradient; there is no
public way to ask. Should TensorFlow move these functions, the answer is "nobody": the plain loss op
runs, and its registered gradient recomputes, which is right and slower.
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
    """Whether a GradientTape that is active here watches any of the tensors.

    False inside a tf.function whose tape is outside of it, and for ForwardAccumulator.
    """
    return _should_record_backprop is not None and _should_record_backprop(list(tensors))


def has_tangents(tensors: Sequence[tf.Tensor]) -> bool:
    """Whether a ForwardAccumulator that is active here follows any of the tensors."""
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
