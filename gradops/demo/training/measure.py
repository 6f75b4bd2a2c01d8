"""Training with each loss, and what that costs."""

from __future__ import annotations

import argparse
import dataclasses
import functools
import json
import time
from collections.abc import Callable, Iterator

import keras
import numpy as np
import tensorflow as tf
from tqdm import tqdm

import gradops
from gradops import _measure, composite
from gradops.demo.measuring import after_warm_up, time_in_turns
from gradops.demo.training import scenes

Loss = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]

PLAIN, GRADOPS, TENSORFLOW = "plain", "gradops", "tensorflow"
#: The library of the gradient loss, if there is such a loss.
LIBRARIES = {PLAIN: None, GRADOPS: gradops, TENSORFLOW: composite}
# The penalty of Hu et al. 2019, over the scales of MiDaS.
_GRADIENTS = {"penalty": "log", "epsilon": 0.5, "scales": 4}

_TRAINING, _TEST = (96, 1), (12, 2)  # number of scenes, and their seed
_LEARNING_RATE = 4e-3
_FILTERS = 24
#: The first steps, whose times and losses are compared.
COMPARED = 40
_LOSS_CALLS = 30
_MEMORY_CALLS = 3


@dataclasses.dataclass
class Result:
    """The results of one loss. Times are (median, 20th, 80th percentile) in milliseconds."""

    losses: list[float]
    step_ms: tuple[float, float, float]
    loss_ms: tuple[float, float, float]  # the loss and its gradient alone
    restored: np.ndarray | None  # the test scenes; None if only the compared steps were taken


def _network() -> keras.Model:
    """Depths [B, H, W, 1] -> restored ones. Adds a correction; inner layers have half the size."""
    options = {"padding": "same", "activation": "relu"}
    depths = keras.Input((None, None, 1))
    x = keras.layers.Rescaling(1.0, offset=-scenes.MIDDLE)(depths)
    x = keras.layers.Conv2D(_FILTERS, 6, strides=2, **options)(x)
    x = keras.layers.Conv2D(_FILTERS, 3, **options)(x)
    x = keras.layers.Conv2D(_FILTERS, 3, **options)(x)
    # Begins with next to no correction.
    small = keras.initializers.RandomNormal(stddev=1e-3)
    x = keras.layers.Conv2DTranspose(1, 6, 2, padding="same", kernel_initializer=small)(x)
    return keras.Model(depths, keras.layers.Add()([depths, x]))


def _loss(name: str, options: argparse.Namespace) -> Loss:
    library = LIBRARIES[name]
    power = tf.abs if options.pixels == "l1" else tf.square

    def loss(y_true: tf.Tensor, y_pred: tf.Tensor) -> tf.Tensor:
        valid = tf.math.is_finite(y_true)
        errors = power(y_pred - tf.where(valid, y_true, y_pred))
        value = tf.reduce_sum(errors) / tf.reduce_sum(tf.cast(valid, errors.dtype))
        if library is not None:
            gradients = library.gradient_loss(y_true, y_pred, mask=valid, **_GRADIENTS)
            value += options.gradient_weight * tf.reduce_mean(gradients)
        return value

    return loss


class _Trainer:
    """A network and its training step. All trainers start with the same weights."""

    def __init__(self, name: str, options: argparse.Namespace) -> None:
        keras.utils.set_random_seed(options.seed)
        self.network = network = _network()
        rate = keras.optimizers.schedules.CosineDecay(_LEARNING_RATE, decay_steps=options.steps)
        optimizer = keras.optimizers.Adam(rate)
        optimizer.build(network.trainable_variables)
        loss = _loss(name, options)

        @tf.function
        def step(measured: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
            with tf.GradientTape() as tape:
                value = loss(targets, network(measured, training=True))
            slopes = tape.gradient(value, network.trainable_variables)
            optimizer.apply(slopes, network.trainable_variables)
            return value

        self._step = step
        self.losses: list[float] = []
        self.milliseconds: list[float] = []

    def step(self, measured: tf.Tensor, targets: tf.Tensor) -> None:
        begin = time.perf_counter()
        self.losses.append(float(self._step(measured, targets)))  # waits for it
        self.milliseconds.append(1e3 * (time.perf_counter() - begin))

    def restore(self, measured: np.ndarray) -> np.ndarray:
        return np.concatenate([self.network(one[np.newaxis]) for one in measured])


def _batches(options: argparse.Namespace) -> Iterator[tuple[tf.Tensor, tf.Tensor]]:
    """Yields (measured, targets) without end, in an order that depends on the seed."""
    training = scenes.make(*_TRAINING, size=options.size)
    rng = np.random.default_rng(options.seed)
    while True:
        drawn = rng.integers(0, len(training.depths), options.batch)
        yield tf.constant(training.measured[drawn]), tf.constant(training.targets[drawn])


def train(options: argparse.Namespace) -> tuple[dict[str, Result], scenes.Scenes]:
    """Trains without the gradients and with them, in turns and on the same batches.

    The steps with TensorFlow's ops repeat the first ones with gradops: each begins with the same
    weights, so the losses must be the same.

    Returns:
        The result of each of LIBRARIES, and the test scenes.
    """
    with tf.device("CPU:0"):
        trainers = {name: _Trainer(name, options) for name in LIBRARIES}
        ours, theirs = trainers[GRADOPS], trainers[TENSORFLOW]
        batches = _batches(options)
        measured, targets = next(batches)
        losses = {
            name: functools.partial(_loss_and_gradient(name, options), targets, measured)
            for name in LIBRARIES
        }
        loss_ms = time_in_turns(losses, _LOSS_CALLS)
        progress = tqdm(range(options.steps), desc="training", unit="step")
        for i, batch in zip(progress, batches, strict=False):
            if i < COMPARED:
                theirs.network.set_weights(ours.network.get_weights())
                theirs.step(*batch)
            trainers[PLAIN].step(*batch)
            ours.step(*batch)
        test = scenes.make(*_TEST, size=options.size)
        results = {
            name: Result(
                trainer.losses,
                after_warm_up(trainer.milliseconds[:COMPARED]),
                loss_ms[name],
                None if name == TENSORFLOW else trainer.restore(test.measured),
            )
            for name, trainer in trainers.items()
        }
    return results, test


def _loss_and_gradient(name: str, options: argparse.Namespace) -> Callable[..., tuple]:
    """A function of (y_true, y_pred): the loss, and its gradient by the network's output."""
    loss = _loss(name, options)

    @tf.function
    def loss_and_gradient(y_true: tf.Tensor, y_pred: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch(y_pred)
            value = loss(y_true, y_pred)
        return value, tape.gradient(value, y_pred)

    return loss_and_gradient


def print_memory(options: argparse.Namespace) -> None:
    """Prints JSON: the peak memory of each loss of LIBRARIES without the images, in bytes."""
    measured, targets = next(_batches(options))
    found = {}
    for name in LIBRARIES:
        function = _loss_and_gradient(name, options)
        function(targets, measured)  # traces
        with _measure.peak_extra_memory() as memory:
            for _ in range(_MEMORY_CALLS):
                function(targets, measured)
        found[name] = memory.extra_bytes
    print(json.dumps(found))
