"""The only place that touches TensorFlow's private recording interface.

Whether a tape is watching decides if the forward pass also produces the gradient; there is no
public way to ask. Should TensorFlow move these functions, nothing breaks: nobody seems to watch,
the plain loss op runs, and its registered gradient recomputes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

import tensorflow as tf

try:
    from tensorflow.python.eager import record as _record
except ImportError:  # pragma: no cover - a TensorFlow whose internals moved
    _record = None


def is_watched(tensors: Sequence[tf.Tensor]) -> bool:
    """Whether a GradientTape that is active here watches any of the tensors.

    False inside a tf.function whose tape is outside of it, and for ForwardAccumulator.
    """
    return _record is not None and _record.should_record_backprop(list(tensors))


def stop_recording() -> AbstractContextManager:
    """A context in which no tape records."""
    return _record.stop_recording()


def record(
    name: str,
    outputs: Sequence[tf.Tensor],
    inputs: Sequence[tf.Tensor],
    backward: Callable[..., Sequence[tf.Tensor | None]],
) -> None:
    """Tells the tapes that outputs came from inputs; backward(*d_outputs) returns d_inputs."""
    _record.record_operation(name, list(outputs), list(inputs), backward)
