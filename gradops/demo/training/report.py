"""The table and the picture."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import keras
import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from matplotlib.layout_engine import ConstrainedLayoutEngine

from gradops.demo.tables import align, mebibytes, times
from gradops.demo.training import scenes
from gradops.demo.training.measure import GRADOPS, PLAIN, TENSORFLOW, Result

_NOTES = """\
Edges: the F-score of the pixels whose Sobel magnitude is above {edge} m; higher is better. Gradient
error: the mean difference of the Sobel magnitudes. RMSE: of the depths. All three are of {tested}
scenes that no network has seen. Step: forward, loss, backward and Adam; the three losses take
their first {compared} steps in turns. Loss alone: it and its gradient by the network's output, in
turns too. Times are medians, with the 20th and 80th percentile behind them, without warm-up.
Memory: the peak of the resident memory in a few calls of the loss alone, in another process.
TensorFlow: gradops.composite, without XLA, which takes many times as long on a CPU."""
_QUALITY = {"f_score": "edges", "gradient_error": "gradient error m", "rmse": "RMSE m"}


def _titles(options: argparse.Namespace) -> dict[str, str]:
    pixels = options.pixels.upper()
    return {
        PLAIN: f"{pixels} alone",
        GRADOPS: f"{pixels} + gradients, gradops",
        TENSORFLOW: f"{pixels} + gradients, TensorFlow",
    }


def _quality_cells(restored: np.ndarray | None, depths: np.ndarray) -> tuple[str, ...]:
    if restored is None:
        return ("as above", "", "")
    found = scenes.quality(restored, depths)
    return tuple(f"{found[key]:.3f}" for key in _QUALITY)


def format_table(
    results: dict[str, Result],
    memory: dict[str, int | None],
    test: scenes.Scenes,
    options: argparse.Namespace,
) -> str:
    """The comparison as text."""
    rows = [("loss", "step ms (p20-p80)", "loss alone ms", "its MiB", *_QUALITY.values())]
    rows.append(("(measured)", "", "", "", *_quality_cells(test.measured, test.depths)))
    for name, title in _titles(options).items():
        result = results[name]
        cost = (times(result.step_ms), times(result.loss_ms), mebibytes(memory[name]))
        rows.append((title, *cost, *_quality_cells(result.restored, test.depths)))
    plain, ours, theirs = (results[name] for name in (PLAIN, GRADOPS, TENSORFLOW))
    beyond = [result.step_ms[0] - plain.step_ms[0] for result in (ours, theirs)]
    pairs = list(zip(ours.losses, theirs.losses, strict=False))  # of theirs there are fewer
    difference = max(abs(our - their) / their for our, their in pairs)
    summary = [
        f"The gradient loss adds {beyond[0]:+.1f} ms to a step with gradops and "
        f"{beyond[1]:+.1f} ms with TensorFlow.",
        f"It is the same loss: with the same weights, in {len(pairs)} steps, they differ by "
        f"{difference:.0e} at most.",
    ]
    setting = (
        f"{options.steps} steps of {options.batch} depth maps, {options.size} x {options.size}, "
        f"float32, seed {options.seed}, {os.cpu_count()} CPUs, TensorFlow {tf.__version__}, "
        f"Keras {keras.__version__}"
    )
    notes = _NOTES.format(edge=scenes.EDGE, tested=len(test.depths), compared=len(pairs))
    return "\n\n".join("\n".join(block) for block in [[setting], align(rows), summary, [notes]])


def _relief(depth: np.ndarray) -> np.ndarray:
    """The brightness of the surface if it is lit from the upper left, [H, W]."""
    down, right = np.gradient(depth[..., 0] * 8)
    return (1 + down + right) / np.sqrt(3 * (1 + down**2 + right**2))


def _edges(restored: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """Colours for edges that were found, false ones and missed ones, [H, W, 3]."""
    both = scenes.magnitudes(np.stack([restored, depth]))[..., 0]
    found, wanted = both > scenes.EDGE
    colours = np.zeros((*found.shape, 3))
    colours[found & wanted] = 1, 1, 1
    colours[found & ~wanted] = 0.85, 0.2, 0.1
    colours[~found & wanted] = 0.2, 0.5, 1
    return colours


def write_picture(
    results: dict[str, Result], test: scenes.Scenes, options: argparse.Namespace, path: Path
) -> None:
    """Draws one scene as lit surfaces, and the edges of each below."""
    titles = _titles(options)
    shown = {"Measured": test.measured}
    for name in (PLAIN, GRADOPS):
        restored = results[name].restored
        assert restored is not None
        shown[titles[name].split(",")[0]] = restored
    shown["Truth"] = test.depths
    layout = ConstrainedLayoutEngine(w_pad=0.05, h_pad=0.06)
    figure, axes = plt.subplots(2, len(shown), figsize=(16, 8.8), dpi=100, layout=layout)
    for column, (title, depths) in enumerate(shown.items()):
        relief, edges = axes[:, column]
        relief.imshow(_relief(depths[0]), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        relief.set_title(title, fontsize=19)
        edges.imshow(_edges(depths[0], test.depths[0]), interpolation="nearest")
        if title != "Truth":
            found = scenes.quality(depths, test.depths)
            relief.set_xlabel(f"gradient error {found['gradient_error']:.3f} m", fontsize=15)
            edges.set_xlabel(f"edges: F-score {found['f_score']:.2f}", fontsize=15)
    axes[1, -1].set_xlabel("white: found, red: false, blue: missed", fontsize=15)
    for axis in axes.flat:
        axis.set(xticks=[], yticks=[])
        axis.spines[:].set_visible(False)
    figure.savefig(path, format="png")
    plt.close(figure)
