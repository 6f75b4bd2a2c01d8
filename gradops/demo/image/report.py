"""The table and the picture."""

from __future__ import annotations

import argparse
import os

import keras
import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from matplotlib.layout_engine import ConstrainedLayoutEngine

import gradops
from gradops.demo import photographs
from gradops.demo.image.measure import BASELINE, BASELINE_LIBRARY, Result
from gradops.demo.tables import align, mebibytes, times

_STEP_TITLE = "The whole step: content term, Sobel loss, gradient, Adam"
_LOSS_TITLE = "The Sobel loss and its gradient alone: the part that gradops replaces"
_NOTES = """\
Times are medians over the run's steps, or over calls of the four in turns, with the 20th and 80th
percentile behind them, without warm-up and tracing. Runs cannot be interleaved: they were taken one
after the other, so load from elsewhere can favour one of them.
Speed-up: over TensorFlow in the same mode. Difference: of the final loss, relative to that of
TensorFlow, eager. Memory: the peak of the process's resident memory above the level before the
first call, which already held the two photographs, in a few steps in another process."""


def format_table(
    results: list[Result], memory: dict[str, list[int | None]], options: argparse.Namespace
) -> str:
    """The comparison as text."""
    baselines = {r.provider.graph: r for r in results if r.provider.library == BASELINE_LIBRARY}
    final_loss = next(r.final_loss for r in results if r.provider == BASELINE)
    cost = ("median ms (p20-p80)", "speed-up", "peak extra MiB")
    steps = [("provider", "steps", "final loss", "difference", *cost)]
    losses = [("provider", *cost)]
    for result in results:
        of_loss, of_run = memory[result.provider.title]
        baseline = baselines[result.provider.graph]
        steps.append(
            (
                result.provider.title,
                str(result.steps),
                f"{result.final_loss:#.6g}",
                f"{abs(result.final_loss - final_loss) / abs(final_loss):.1e}",
                times(result.step_ms),
                f"{baseline.step_ms[0] / result.step_ms[0]:.1f}x",
                mebibytes(of_run),
            )
        )
        losses.append(
            (
                result.provider.title,
                times(result.loss_ms),
                f"{baseline.loss_ms[0] / result.loss_ms[0]:.1f}x",
                mebibytes(of_loss),
            )
        )
    height, width = results[0].image.shape[:2]
    setting = (
        f"{height} x {width} RGB image, float32, seed {options.seed}, "
        f"{os.cpu_count()} CPUs, TensorFlow {tf.__version__}, "
        f"Keras {keras.__version__}"
    )
    blocks = [[setting], [_STEP_TITLE, *align(steps)], [_LOSS_TITLE, *align(losses)], [_NOTES]]
    return "\n\n".join("\n".join(block) for block in blocks)


def _magnitudes(images: np.ndarray) -> np.ndarray:
    """The root mean square over channels of the Sobel magnitude, [B, H, W]."""
    edges = np.asarray(gradops.sobel_edges(images))
    return np.sqrt(np.square(edges).sum(axis=-1).mean(axis=-1))


def write_picture(result: Result, options: argparse.Namespace) -> None:
    """Start, target and result above their gradient magnitudes, to `options.output`."""
    target = photographs.load_target(options.path, options.size)
    start = photographs.degrade(target, options.seed)
    images = np.clip(np.stack([start, target, result.image]), 0.0, 1.0)
    magnitudes = _magnitudes(images)
    limit = float(np.percentile(magnitudes[1], 99.5))
    captions = [
        ("Start: blurred and noisy", f"PSNR {photographs.psnr(start, target):.1f} dB"),
        ("Target", "original photograph"),
        (
            f"Result after {result.steps} steps",
            f"PSNR {photographs.psnr(images[2], target):.1f} dB",
        ),
    ]

    layout = ConstrainedLayoutEngine(w_pad=0.06, h_pad=0.09, rect=(0, 0.01, 1, 0.98))
    figure, axes = plt.subplots(2, 3, figsize=(16, 12.2), dpi=100, layout=layout)
    for column, (title, caption) in enumerate(captions):
        photo, gradient = axes[:, column]
        photo.imshow(images[column])
        photo.set_title(title, fontsize=20)
        photo.set_xlabel(caption, fontsize=17)
        shown = gradient.imshow(magnitudes[column], cmap="magma", vmin=0.0, vmax=limit)
    for axis in axes.flat:
        axis.set(xticks=[], yticks=[])
        axis.spines[:].set_visible(False)
    bar = figure.colorbar(
        shown, ax=axes[1, :], location="bottom", extend="max", aspect=70, shrink=0.6, pad=0.02
    )
    bar.set_label("Sobel gradient magnitude", fontsize=17)
    bar.ax.tick_params(labelsize=13)
    figure.savefig(options.output, format="png")
    plt.close(figure)
