"""Training steps in every mode of TensorFlow, each by gradops and in pure TensorFlow.

Section `modes`: eager, tf.function, XLA, Keras' fit, and its mixed_float16, by gradops, by slices
and by tf.image.sobel_edges. A step is over when its loss has been read. What fails, is wrong or
cannot run says so in its row: where a library of CUDA's is missing, convolutions cannot run, and
tf.image.sobel_edges is n/a.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf

import gradops
from benchmarks import slices, verify
from benchmarks.cases import Settings, Target, Timed
from benchmarks.device import Device
from benchmarks.measure import measure
from benchmarks.modes import FIT, MIXED, TRAINING_STEP, Builder, Call, Result
from benchmarks.problems import Problem, make_problem
from benchmarks.report import Row
from benchmarks.tf.providers import WRAPS, tensorflow_modes
from gradops import composite, reference

if TYPE_CHECKING:
    from benchmarks.tf.devices import TensorFlow

GRADOPS, SLICES, SOBEL_EDGES = "gradops", "slices", "tf.image.sobel_edges"
DIFFERENCE = "p - t"  # The same traffic, with nothing to compute.
MODES = (*WRAPS, FIT, MIXED)
_POLICIES = {FIT: "float32", MIXED: "mixed_float16"}
_SMALL = (*verify.SMALL, 3)


def modes(settings: Settings) -> Iterator[list[Row]]:
    """Every mode that was chosen, and every provider in it against gradops."""
    device: TensorFlow = settings.device  # type: ignore[assignment]
    chosen = names(settings.providers)
    device.check_first(chosen)
    for shape in settings.shapes:
        problem = settings.problem(shape)
        group = []
        for provider, mode in chosen:
            ours = Timed(GRADOPS, mode, problem)
            targets = [] if provider == GRADOPS else [Target([ours.name])]
            group.append(Timed(provider, mode, problem, targets, provider != DIFFERENCE))
        yield measure("modes", group, settings, with_memory=True)


def names(chosen: Sequence[str]) -> list[tuple[str, str]]:
    """(provider, mode) of the modes that were chosen."""
    return [(p, mode) for mode in chosen for p in PROVIDERS if mode in PROVIDERS[p]]


def sobel_l1(t: tf.Tensor, p: tf.Tensor, **_options: Any) -> tf.Tensor:
    """The losses [B] of sobel/component/l1 by slices, with no convolution."""
    wide = tf.float64 if p.dtype == tf.float64 else tf.float32

    def total(values: tf.Tensor) -> tf.Tensor:
        return tf.reduce_sum(tf.cast(values, wide), [1, 2, 3])

    return slices.sobel_l1(p - tf.cast(t, p.dtype), tf.concat, total=total)


_LIBRARIES: dict[str, Any] = {
    GRADOPS: gradops,
    SLICES: types.SimpleNamespace(gradient_loss=sobel_l1),
    SOBEL_EDGES: composite,
}


def check_small(device: Device, provider: str, mode: str) -> None:
    """Compares loss and gradient with the oracle, at an odd small shape.

    Raises:
        VerificationError: One of them is wrong.
    """
    problem = make_problem(_SMALL)
    if mode in _POLICIES:
        _check_fit(provider, mode, problem)
    elif provider != DIFFERENCE:
        verify.check_small(device, provider, mode, PROVIDERS[provider][mode], problem)


def _difference(problem: Problem) -> Call:
    @tf.function
    def step(t: tf.Tensor, p: tf.Tensor) -> Result:
        d = p - t
        return d[0, 0, 0, 0], d

    t, p, *_ = problem.tensors

    def call() -> Result:
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
    """A model whose SGD has the rate 1, so that a step takes the gradient off the bias."""
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


def _check_fit(provider: str, mode: str, problem: Problem) -> None:
    """One step of fit: its loss, and the bias, from which the gradient was taken."""
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


def _builders(provider: str) -> dict[str, Builder]:
    library = _LIBRARIES[provider]
    steps = {mode: tensorflow_modes(library, wrap)[TRAINING_STEP] for mode, wrap in WRAPS.items()}
    fits = {mode: functools.partial(_train_on_batch, provider, mode) for mode in _POLICIES}
    return {**steps, **fits}


# Provider -> mode -> builder.
PROVIDERS: dict[str, dict[str, Builder]] = {
    **{provider: _builders(provider) for provider in _LIBRARIES},
    DIFFERENCE: {"function": _difference},
}
