"""What is timed: the ways to compute the loss and its gradient, of a `Problem`.

Reading the loss as NumPy makes sure that the step is over; a gradient is never copied. Images reach
a tf.function as arguments, so nothing can be folded into constants.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import tensorflow as tf

import gradops
from benchmarks.modes import (
    FACTORS,
    FORWARD,
    FUNCTION_STEP,
    LEARNED_STEP,
    LOSS_AND_GRADIENT,
    LOSS_SCALED_FUNCTION_STEP,
    LOSS_SCALED_STEP,
    SCALED_STEP,
    SECOND_ORDER,
    TRAINING_STEP,
    WEIGHTED_STEP,
    Builder,
    Call,
    Result,
    sample_weights,
    upstream,
)
from benchmarks.problems import Problem
from gradops import _library
from gradops._inputs import checks

_FUNCTION_STEPS = (FUNCTION_STEP, LOSS_SCALED_FUNCTION_STEP, LEARNED_STEP)

_kernels = _library.kernels()


def _kernel(mode: str) -> Builder:
    """A kernel without TensorFlow, on threads that it starts at every call."""

    def build(problem: Problem) -> Call:
        t, p = problem.y_true, problem.y_pred
        checked = checks.options(**problem.options)
        options = {name: value for name, value in checked.items() if value != ""}
        options |= {**problem.maps, "threads": problem.threads}
        scale = upstream(mode, problem).astype(p.dtype)

        def second_order() -> Result:
            _by_true, by_pred, by_scale = _kernels.loss_grad_grad(t, p, t, scale, **options)
            return by_scale, by_pred

        return {
            FORWARD: lambda: (_kernels.loss(t, p, **options), None),
            LOSS_AND_GRADIENT: lambda: _kernels.loss_memo(t, p, scale, memo=problem.out, **options),
            SECOND_ORDER: second_order,
        }[mode]

    return build


def _losses(library: Any, problem: Problem) -> Callable[..., tf.Tensor]:
    """(t, p, weights, mask) -> [B] losses."""
    return lambda t, p, weights, mask: library.gradient_loss(
        t, p, **problem.options, weights=weights, mask=mask
    )


def _keras_loss(problem: Problem, mode: str) -> Callable[..., tf.Tensor]:
    """A Keras loss of gradops; it takes no maps of a problem."""
    options = dict(problem.options)
    if options.pop("stencil") == "sobel":
        loss: Any = gradops.SobelLoss(**options, dtype=problem.dtype)
    else:
        loss = gradops.GradientLoss(**problem.options, dtype=problem.dtype)
    weights = None
    if mode == WEIGHTED_STEP:
        weights = tf.constant(sample_weights(len(problem.y_pred)), tf.float32)
    return lambda t, p, *_maps: loss(t, p, sample_weight=weights)


def _mean_loss(library: Any, problem: Problem, mode: str) -> Callable[..., tf.Tensor]:
    losses = _losses(library, problem)

    def mean(*inputs: tf.Tensor | None) -> tf.Tensor:
        values = losses(*inputs)
        if mode == WEIGHTED_STEP:
            values *= tf.constant(sample_weights(len(problem.y_pred)), values.dtype)
        return tf.reduce_mean(values)

    return mean


def _step(loss_function: Callable[..., tf.Tensor], mode: str) -> Callable[..., Any]:
    factor = FACTORS.get(mode)

    def step(t: tf.Tensor, p: tf.Tensor, *maps: tf.Tensor | None) -> tuple[tf.Tensor, Any]:
        sources = (p, maps[0]) if mode == LEARNED_STEP else p
        with tf.GradientTape() as tape:
            tape.watch(sources)
            loss = loss_function(t, p, *maps)
            if factor is not None:
                loss = factor * loss
        return loss, tape.gradient(loss, sources)

    return step


def _second_order(library: Any, problem: Problem) -> Callable[..., Any]:
    """The loss, and the derivative of <y_true, dloss / dy_pred> by y_pred."""
    first_order = _step(_mean_loss(library, problem, SECOND_ORDER), SECOND_ORDER)

    def step(t: tf.Tensor, p: tf.Tensor, *maps: tf.Tensor | None) -> tuple[tf.Tensor, tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch(p)
            loss, gradient = first_order(t, p, *maps)
        return loss, tape.gradient(gradient, p, output_gradients=t)

    return step


def tensorflow_modes(library: Any, wrap: Callable[[Callable], Callable]) -> dict[str, Builder]:
    """Builders for the modes of gradops or gradops.composite; `wrap` makes a tf.function or not."""

    def forward(problem: Problem) -> Call:
        function = wrap(_losses(library, problem))
        return lambda: (function(*problem.tensors).numpy(), None)

    def loss_and_gradient(problem: Problem) -> Call:
        return _read_loss(
            wrap(
                lambda t, p, weights, mask: library.value_and_gradient(
                    t, p, **problem.options, weights=weights, mask=mask
                )
            ),
            problem,
        )

    def step_of(mode: str) -> Builder:
        def build(problem: Problem) -> Call:
            with_keras = library is gradops and mode not in _FUNCTION_STEPS
            loss = _keras_loss(problem, mode) if with_keras else _mean_loss(library, problem, mode)
            return _read_loss(wrap(_step(loss, mode)), problem)

        return build

    def second_order(problem: Problem) -> Call:
        return _read_loss(wrap(_second_order(library, problem)), problem)

    steps = (TRAINING_STEP, SCALED_STEP, WEIGHTED_STEP, LOSS_SCALED_STEP, *_FUNCTION_STEPS)
    return {
        FORWARD: forward,
        LOSS_AND_GRADIENT: loss_and_gradient,
        **{mode: step_of(mode) for mode in steps},
        SECOND_ORDER: second_order,
    }


def _read_loss(function: Callable[..., tuple[tf.Tensor, tf.Tensor]], problem: Problem) -> Call:
    def call() -> Result:
        loss, gradient = function(*problem.tensors)
        return loss.numpy(), gradient

    return call


def _eager(function: Callable) -> Callable:
    return function


# What makes a step of each mode.
WRAPS: dict[str, Callable[[Callable], Callable]] = {
    "eager": _eager,
    "function": tf.function,
    "xla": functools.partial(tf.function, jit_compile=True),
}

# Provider -> mode -> builder.
PROVIDERS: dict[str, dict[str, Builder]] = {
    "kernel": {mode: _kernel(mode) for mode in (FORWARD, LOSS_AND_GRADIENT, SECOND_ORDER)},
    **{f"op-{mode}": tensorflow_modes(gradops, wrap) for mode, wrap in WRAPS.items()},
    **{f"tf-{mode}": tensorflow_modes(gradops.composite, wrap) for mode, wrap in WRAPS.items()},
}
