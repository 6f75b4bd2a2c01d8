"""Whether what is installed computes what it should: run by ``python -m gradops doctor``.

``python -m gradops self-test kernels`` needs no TensorFlow; ``... self-test ops`` does.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from gradops import _library, reference

_TOLERANCES = {"float32": 2e-5, "float64": 1e-12}
_OPTIONS: tuple[dict[str, Any], ...] = (
    {"penalty": "l1"},
    {"stencil": "scharr", "penalty": "charbonnier", "border": "replicate"},
    {"response": "magnitude", "penalty": "l2", "border": "valid"},
)


def main(name: str) -> int:
    """Runs one of the two, which raises AssertionError or else prints what was right."""
    {"kernels": kernels, "ops": ops}[name]()
    return 0


def _cases() -> Iterator[tuple[Any, dict[str, Any], tuple[Any, Any], float]]:
    """(images, options, expected loss and gradient, tolerance) by the oracle in NumPy."""
    rng = np.random.default_rng(7)
    for dtype, options in itertools.product(_TOLERANCES, _OPTIONS):
        images = rng.normal(size=(2, 3, 33, 21, 3)).astype(dtype)
        loss = reference.gradient_loss(*images, **options)
        _, gradient = reference.loss_gradients(*images, **options)
        yield images, options, (loss, gradient), _TOLERANCES[dtype]


def _compare(got: Any, expected: Any, tolerance: float, what: str) -> None:
    for a, b in zip(got, expected, strict=True):
        scale = np.abs(b).max()
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance * scale, err_msg=what)


def kernels() -> None:
    """The kernels on NumPy arrays, by the instruction set that GRADOPS_CPU_TARGET names."""
    functions = _library.kernels()
    target = functions.build_info()["cpu_target"]
    for images, options, expected, tolerance in _cases():
        upstream = np.ones(len(images[0]), images.dtype)
        got = functions.loss_memo(*images, upstream, **options)
        _compare(got, expected, tolerance, f"{target}, {options}")
    print(f"{target}: as the oracle")


def ops() -> None:
    """The ops on every device of TensorFlow: eager, in a graph and under XLA."""
    import tensorflow as tf

    import gradops

    def step(y_true: tf.Tensor, y_pred: tf.Tensor, options: dict[str, Any]) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(y_pred)
            loss = gradops.gradient_loss(y_true, y_pred, **options)
        return loss, tape.gradient(loss, y_pred)

    ways = {
        "eager": step,
        "tf.function": tf.function(step),
        "XLA": tf.function(step, jit_compile=True),
    }
    devices = [device.name for device in tf.config.list_logical_devices()]
    for device, way in itertools.product(devices, ways):
        try:
            for images, options, expected, tolerance in _cases():
                with tf.device(device):
                    got = ways[way](*map(tf.constant, images), options)
                _compare([x.numpy() for x in got], expected, tolerance, f"{way}, {options}")
        except (tf.errors.OpError, ValueError) as error:
            # An adapter for an old TensorFlow says the first, one built without XLA the second.
            if not re.search("gradops runs under XLA with|No registered 'Gradops>", str(error)):
                raise
            print(f"{way} on {device}: not with this adapter for TensorFlow {tf.__version__}")
        else:
            print(f"{way} on {device}: as the oracle")
