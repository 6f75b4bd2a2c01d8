"""Training steps in every mode of TensorFlow, each by gradops and in pure TensorFlow.

A builder takes a `Problem` and returns a call of one step: (loss, gradient by the images), as those
of providers.py. A step of Keras has no gradient to show: `check_fit` looks at what fit does to the
weights instead.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
import tensorflow as tf

import gradops
from benchmarks import verify
from benchmarks.problems import Problem, make_problem
from benchmarks.providers import TRAINING_STEP, WRAPS, Builder, Call, tensorflow_modes
from gradops import composite, reference

GRADOPS, SLICES, SOBEL_EDGES = "gradops", "slices", "tf.image.sobel_edges"
DIFFERENCE = "p - t"  # The same traffic, with nothing to compute.
FIT, MIXED = "fit", "mixed_float16"  # The latter is fit, too.
MODES = (*WRAPS, FIT, MIXED)
_POLICIES = {FIT: "float32", MIXED: "mixed_float16"}
_SMALL = (2, 37, 41, 3)


def sobel_l1(t: tf.Tensor, p: tf.Tensor, **_options: Any) -> tf.Tensor:
    """The losses [B] of sobel/component/l1 by slices, with no convolution.

    Under border reflect both taps of a derivative are the same pixel at the border: it is 0 there,
    and only the smoothing needs mirrored pixels.
    """
    d = p - tf.cast(t, p.dtype)
    rows = tf.concat([d[:, 1:2], d, d[:, -2:-1]], 1)
    columns = tf.concat([d[:, :, 1:2], d, d[:, :, -2:-1]], 2)
    smooth_y = rows[:, :-2] + 2 * d + rows[:, 2:]
    smooth_x = columns[:, :, :-2] + 2 * d + columns[:, :, 2:]
    gx = tf.abs(smooth_y[:, :, 2:] - smooth_y[:, :, :-2])
    gy = tf.abs(smooth_x[:, 2:] - smooth_x[:, :-2])
    wide = tf.float64 if p.dtype == tf.float64 else tf.float32
    total = sum(tf.reduce_sum(tf.cast(g, wide), [1, 2, 3]) for g in (gy, gx))
    return total / tf.cast(2 * tf.size(d[0]), wide)


_LIBRARIES: dict[str, Any] = {
    GRADOPS: gradops,
    SLICES: types.SimpleNamespace(gradient_loss=sobel_l1),
    SOBEL_EDGES: composite,
}
PROVIDERS = (*_LIBRARIES, DIFFERENCE)


def builder(provider: str, mode: str) -> Builder | None:
    """What makes the calls of a provider in a mode; None: there is no such."""
    if provider == DIFFERENCE:
        return _difference if mode == "function" else None
    if mode in _POLICIES:
        return lambda problem: _train_on_batch(provider, mode, problem)
    return tensorflow_modes(_LIBRARIES[provider], WRAPS[mode])[TRAINING_STEP]


def check_small(provider: str, mode: str) -> None:
    """Compares loss and gradient with the float64 reference, at an odd small shape.

    Raises:
        VerificationError: One of them is wrong.
    """
    if mode in _POLICIES:
        _check_fit(provider, mode)
    elif provider != DIFFERENCE:
        built = builder(provider, mode)
        assert built is not None
        verify.check_small(provider, mode, built, make_problem(_SMALL))


def check_result(provider: str, mode: str, oracle: verify.Oracle, result: tuple[Any, Any]) -> None:
    """Compares what the first call of a step returned; of Keras the loss alone.

    Raises:
        VerificationError: It is wrong.
    """
    if provider == DIFFERENCE:
        return
    if mode in _POLICIES:
        oracle.check_loss(provider, mode, result[0])
    else:
        oracle.check(provider, TRAINING_STEP, result)


def _difference(problem: Problem) -> Call:
    @tf.function
    def step(t: tf.Tensor, p: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        d = p - t
        return d[0, 0, 0, 0], d

    t, p, *_ = problem.tensors

    def call() -> tuple[Any, Any]:
        value, difference = step(t, p)
        return value.numpy(), difference

    return call


@keras.saving.register_keras_serializable(package="benchmarks")
class ScaleAndBias(keras.layers.Layer):
    """scale * x + bias, with a number of each for every pixel and channel: no convolution."""

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """1 and 0."""
        self.scale = self.add_weight(shape=input_shape[1:], initializer="ones", name="scale")
        self.bias = self.add_weight(shape=input_shape[1:], initializer="zeros", name="bias")

    def call(self, x: tf.Tensor) -> tf.Tensor:
        """An array of the shape of x."""
        return self.scale * x + self.bias


@contextmanager
def _policy(mode: str) -> Iterator[None]:
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(_POLICIES[mode])
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def compiled_model(provider: str, mode: str, shape: tuple[int, ...]) -> keras.Model:
    """With SGD of rate 1, so that a step takes the gradient off the bias; jit_compile="auto"."""
    library = _LIBRARIES[provider]

    def composed(y_true: tf.Tensor, y_pred: tf.Tensor) -> tf.Tensor:
        return library.gradient_loss(y_true, y_pred)

    with _policy(mode):
        model = keras.Sequential([keras.Input(shape[1:]), ScaleAndBias()])
        loss: Callable[..., Any] = gradops.SobelLoss() if provider == GRADOPS else composed
        model.compile(keras.optimizers.SGD(1.0), loss=loss, jit_compile="auto")
    return model


def _train_on_batch(provider: str, mode: str, problem: Problem) -> Call:
    """The step that fit runs, on tensors that are on the device already."""
    model = compiled_model(provider, mode, problem.shape)
    t, p, *_ = problem.tensors
    return lambda: (np.float64(model.train_on_batch(p, t)), None)


def _check_fit(provider: str, mode: str) -> None:
    """One step of fit: its loss, and the bias, from which the gradient was taken."""
    problem = make_problem(_SMALL)
    t, p = problem.y_true, problem.y_pred
    losses = reference.gradient_loss(t, p)
    upstream = np.full(len(p), 1 / len(p))
    gradient = reference.loss_gradients(t, p, upstream)[1].sum(axis=0)
    model = compiled_model(provider, mode, problem.shape)
    history = model.fit(p, t, batch_size=len(p), epochs=1, shuffle=False, verbose=0)
    what = f"{provider}, {mode}"
    verify.check_equal(f"{what}: loss", history.history["loss"][0], losses.mean(), 1e-5)
    bias = np.asarray(model.layers[-1].bias)
    dtype = "float16" if mode == MIXED else "float32"
    verify.check_equal(f"{what}: bias", bias, -gradient, verify.TOLERANCES[dtype])
