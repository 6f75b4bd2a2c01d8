"""Training with one loss, in the process that runs nothing else."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tqdm import tqdm

from gradops import _measure, presets
from gradops.demo import photographs
from gradops.demo.training import data, model
from gradops.demo.training.providers import PROVIDERS, Provider

_LEARNING_RATE = 2e-3
_EPOCHS = 10  # at most: points of the curves
_LAST_STEPS = 25  # whose losses are averaged
_LOSS_CALLS = 30
_MEMORY_STEPS = 3
# Untimed: the first ones trace, plan the graph and fault memory in.
_WARM_UP = 5


class _StepTimes(keras.callbacks.Callback):
    """Times of steps and their losses, with a bar of progress."""

    def __init__(self, progress: tqdm) -> None:
        super().__init__()
        self._progress = progress
        self._begin = 0.0
        self.milliseconds: list[float] = []
        self.losses: list[float] = []
        self._sum = 0.0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._sum = 0.0

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        self._begin = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        mean = float(logs["loss"])  # of the epoch so far; waits for the step
        self.milliseconds.append(1e3 * (time.perf_counter() - self._begin))
        total = mean * (batch + 1)
        self.losses.append(total - self._sum)
        self._sum = total
        self._progress.set_postfix(loss=f"{mean:.5f}", refresh=False)
        self._progress.update()


def _fit(
    provider: Provider,
    batches: tf.data.Dataset,
    options: argparse.Namespace,
    steps: int,
    callbacks: list[keras.callbacks.Callback],
) -> keras.Model:
    """A network, trained; the same seed gives the same first weights to every provider."""
    keras.utils.set_random_seed(options.seed)
    network = model.build()
    rate = keras.optimizers.schedules.CosineDecay(_LEARNING_RATE, decay_steps=steps)
    # Compiled by XLA, the composition takes ten times as long on a CPU.
    network.compile(
        keras.optimizers.Adam(rate), loss=provider.loss(options.gradient_weight), jit_compile=False
    )
    epochs = next(n for n in range(min(_EPOCHS, steps), 0, -1) if steps % n == 0)
    network.fit(
        batches,
        steps_per_epoch=steps // epochs,
        epochs=epochs,
        shuffle=False,
        verbose=0,
        callbacks=callbacks,
    )
    return network


def _batches(options: argparse.Namespace) -> tf.data.Dataset:
    small, large = data.patches(options.patches, options.patch, options.seed)
    return data.dataset(small, large, options.batch, options.seed)


def _time_loss(provider: Provider, options: argparse.Namespace) -> list[float]:
    """Milliseconds of calls of the loss and its gradient by the network's output, alone."""
    small, large = next(iter(_batches(options)))
    y_pred, y_true = model.bicubic(small), large
    of_provider = provider.loss(options.gradient_weight)

    @tf.function
    def loss_and_gradient(y_true: tf.Tensor, y_pred: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch(y_pred)
            loss = tf.reduce_mean(of_provider(y_true, y_pred))
        return loss, tape.gradient(loss, y_pred)

    milliseconds = []
    for _ in range(_WARM_UP + _LOSS_CALLS):
        begin = time.perf_counter()
        loss, gradient = loss_and_gradient(y_true, y_pred)
        float(loss)  # Waits for it.
        milliseconds.append(1e3 * (time.perf_counter() - begin))
        del loss, gradient
    return milliseconds[_WARM_UP:]


def quality(restored: np.ndarray, large: np.ndarray) -> dict[str, float]:
    """PSNR in dB and GMSD of [1, H, W, 3], of what a display shows."""
    shown = np.clip(restored, 0, 1)
    return {
        "psnr": photographs.psnr(shown, large),
        "gmsd": float(presets.gmsd(large, shown)[0]),
    }


def _measure_training(provider: Provider, options: argparse.Namespace) -> dict[str, Any]:
    logs = options.output / "logs" / options.provider
    with tqdm(total=options.steps, desc=f"{provider.title:<23}", unit="step") as progress:
        times = _StepTimes(progress)
        callbacks = [times, keras.callbacks.TensorBoard(logs, write_graph=False)]
        network = _fit(provider, _batches(options), options, options.steps, callbacks)
    qualities, images = [], []
    for name in data.TEST:
        small, large = data.test_pair(name)
        images.append(network(small).numpy())
        qualities.append(quality(images[-1], large))
    np.save(options.result, images[0][0])
    timed = times.milliseconds[min(_WARM_UP, options.steps - 1) :]
    return {
        "final_loss": float(np.mean(times.losses[-_LAST_STEPS:])),
        "step_ms": _measure.median_and_percentiles(timed),
        "loss_ms": _measure.median_and_percentiles(_time_loss(provider, options)),
        "psnr": [each["psnr"] for each in qualities],
        "gmsd": [each["gmsd"] for each in qualities],
        "versions": f"TensorFlow {tf.__version__}, Keras {keras.__version__}",
    }


def _measure_memory(provider: Provider, options: argparse.Namespace) -> dict[str, int | None]:
    batches = _batches(options)
    # Of the steps alone: what the process pays once for any training is paid before.
    tiny = argparse.Namespace(**{**vars(options), "patch": 24, "batch": 1, "patches": 1})
    _fit(provider, _batches(tiny), tiny, _MEMORY_STEPS, [])
    with _measure.peak_extra_memory() as memory:
        _fit(provider, batches, options, _MEMORY_STEPS, [])
    return {"step_memory": memory.extra_bytes}


def run(options: argparse.Namespace) -> None:
    """Train with `options.provider` and print JSON: its memory, or with `options.result` the rest.

    With `options.result` the image of the first test photograph is stored there.
    """
    provider = PROVIDERS[options.provider]
    options.output = Path(options.output)
    measured = _measure_memory if options.result is None else _measure_training
    print(json.dumps(measured(provider, options)))
