"""The losses that are compared, and training with each in a process of its own."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

import gradops
from gradops import _measure, composite
from gradops.demo.processes import run_worker

Loss = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


@dataclasses.dataclass(frozen=True)
class Provider:
    """A loss: by name, and made with the weight of its gradients."""

    title: str
    loss: Callable[[float], Loss | keras.losses.Loss]


def _mean_absolute(y_true: tf.Tensor, y_pred: tf.Tensor) -> tf.Tensor:
    return tf.reduce_mean(tf.abs(y_pred - y_true), axis=[1, 2, 3])


def _composed(weight: float) -> Loss:
    """What users write: tf.image.sobel_edges of both images."""

    def loss(y_true: tf.Tensor, y_pred: tf.Tensor) -> tf.Tensor:
        pixels = _mean_absolute(y_true, y_pred)
        return pixels + weight * composite.gradient_loss(y_true, y_pred)

    return loss


PROVIDERS = {
    "mae": Provider("MAE", lambda _: _mean_absolute),
    "gradops": Provider(
        "MAE + Sobel, gradops",
        lambda weight: gradops.presets.PixelGradientLoss(gradient_weight=weight),
    ),
    "tensorflow": Provider("MAE + Sobel, TensorFlow", _composed),
}


@dataclasses.dataclass
class Result:
    """What a worker measured. Times are (median, 20th, 80th percentile) in milliseconds."""

    provider: Provider
    image: np.ndarray  # the first test photograph's, [H, W, 3]
    final_loss: float  # mean of the last steps
    step_ms: tuple[float, float, float]
    loss_ms: tuple[float, float, float]  # the loss and its gradient alone
    step_memory: int | None  # bytes
    psnr: list[float]  # of each test photograph
    gmsd: list[float]
    versions: str


def measure_in_subprocess(name: str, options: argparse.Namespace, directory: Path) -> Result:
    """Trains with one provider's loss in fresh processes: for times, and for memory.

    Raises:
        processes.WorkerError: A process failed; it has said why on standard error.
    """
    image = directory / f"{name}.npy"
    command = ["demo", "--provider", name]
    for option in ("steps", "batch", "patch", "patches", "gradient_weight", "output", "seed"):
        command += [f"--{option.replace('_', '-')}", str(getattr(options, option))]
    title = PROVIDERS[name].title
    found = run_worker(title, [*command, "--result", str(image)], {})
    memory = run_worker(title, command, _measure.EXACT_PEAKS)
    return Result(provider=PROVIDERS[name], image=np.load(image), **found, **memory)
