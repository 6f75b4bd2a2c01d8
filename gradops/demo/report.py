"""The demo's table and picture."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.layout_engine import ConstrainedLayoutEngine

import gradops
from gradops.demo import photograph
from gradops.demo.providers import BASELINE, BASELINE_LIBRARY, Result

_STEP_TITLE = "The whole step: content term, Sobel loss, gradient, Adam"
_LOSS_TITLE = "The Sobel loss and its gradient alone: the part that gradops replaces"
_NOTES = """\
Times are medians over the run's steps, or over repeated calls, with the 20th and 80th percentile
behind them, without warm-up and tracing. Optimisation runs cannot be interleaved: each provider ran
in a process of its own, one after the other, so load from elsewhere can favour one of them.
Speed-up: over TensorFlow in the same mode. Difference: of the final loss, relative to that of
TensorFlow, eager. Memory: the peak of the process's resident memory above the level before the
first call, which already held the two photographs, in a run of a few steps of its own."""


def _align(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """The rows as lines: the first column to the left, others to the right, a rule under row 0."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(
            [row[0].ljust(widths[0])]
            + [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        )
        for row in rows
    ]
    return [lines[0], "-" * len(lines[0]), *lines[1:]]


def _times(milliseconds: tuple[float, float, float]) -> str:
    return "{:.2f} ({:.2f}-{:.2f})".format(*milliseconds)


def _mebibytes(size: int | None) -> str:
    return "n/a" if size is None else f"{size / 2**20:.1f}"


def format_table(results: list[Result], options: argparse.Namespace) -> str:
    """The comparison as text."""
    baselines = {r.provider.graph: r for r in results if r.provider.library == BASELINE_LIBRARY}
    final_loss = next(r.final_loss for r in results if r.provider == BASELINE)
    cost = ("median ms (p20-p80)", "speed-up", "peak extra MiB")
    steps = [("provider", "steps", "final loss", "difference", *cost)]
    losses = [("provider", *cost)]
    for result in results:
        baseline = baselines[result.provider.graph]
        steps.append(
            (
                result.provider.title,
                str(result.steps),
                f"{result.final_loss:#.6g}",
                f"{abs(result.final_loss - final_loss) / abs(final_loss):.1e}",
                _times(result.step_ms),
                f"{baseline.step_ms[0] / result.step_ms[0]:.1f}x",
                _mebibytes(result.run_memory),
            )
        )
        losses.append(
            (
                result.provider.title,
                _times(result.loss_ms),
                f"{baseline.loss_ms[0] / result.loss_ms[0]:.1f}x",
                _mebibytes(result.loss_memory),
            )
        )
    setting = (
        f"{options.size} x {options.size} RGB image, float32, seed {options.seed}, "
        f"{os.cpu_count()} CPUs, {results[0].versions}"
    )
    blocks = [[setting], [_STEP_TITLE, *_align(steps)], [_LOSS_TITLE, *_align(losses)], [_NOTES]]
    return "\n\n".join("\n".join(block) for block in blocks)


def _magnitudes(images: np.ndarray) -> np.ndarray:
    """Sobel magnitude over both directions, the root mean square of the channels: [B, H, W]."""
    edges = np.asarray(gradops.sobel_edges(images))
    return np.sqrt(np.square(edges).sum(axis=-1).mean(axis=-1))


def write_picture(result: Result, options: argparse.Namespace) -> None:
    """Start, target and result above their gradient magnitudes, to `options.output`."""
    target = photograph.load_target(options.size)
    start = photograph.degrade(target, options.seed)
    images = np.clip(np.stack([start, target, result.image]), 0.0, 1.0)
    magnitudes = _magnitudes(images)
    limit = float(np.percentile(magnitudes[1], 99.5))
    captions = [
        ("Start: blurred and noisy", f"PSNR {photograph.psnr(start, target):.1f} dB"),
        ("Target", "original photograph"),
        (f"Result after {result.steps} steps", f"PSNR {photograph.psnr(images[2], target):.1f} dB"),
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
