"""The table and the picture."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.layout_engine import ConstrainedLayoutEngine

import gradops
from gradops.demo.tables import align, mebibytes, times
from gradops.demo.training import data, model, worker
from gradops.demo.training.providers import PROVIDERS, Result

_NOTES = """\
Step: forward, loss, backward and Adam, of model.fit. Loss alone: it and its gradient by the
network's output, in a tf.function. Times are medians, with the 20th and 80th percentile behind
them, without tracing; each provider trained in a process of its own, one after the other, so load
from elsewhere can favour one of them. Memory: the peak of the process's resident memory above the
level before the first step, in a run of a few steps of its own. PSNR and GMSD (lower is better) of
a photograph that no network has seen. Without XLA, which takes many times as long for the
composition on a CPU."""
_CROP = (40, 130, 180, 180)  # of the astronaut: top, left, height, width
_LARGEST = 0.25  # error that is shown in full


def format_table(results: list[Result], options: argparse.Namespace) -> str:
    """The comparison as text."""
    by_title = {result.provider.title: result for result in results}
    plain, ours, theirs = (by_title[provider.title] for provider in PROVIDERS.values())
    small, large = data.test_pair(data.TEST[0])
    start = worker.quality(model.bicubic(small).numpy(), large)
    rows = [("loss", "step ms (p20-p80)", "loss alone ms", "extra MiB", "PSNR", "GMSD")]
    rows.append(("(bicubic)", "", "", "", f"{start['psnr']:.2f}", f"{start['gmsd']:.4f}"))
    for result in results:
        rows.append(
            (
                result.provider.title,
                times(result.step_ms),
                times(result.loss_ms),
                mebibytes(result.step_memory),
                f"{result.psnr[0]:.2f}",
                f"{result.gmsd[0]:.4f}",
            )
        )
    beyond = [result.step_ms[0] - plain.step_ms[0] for result in (ours, theirs)]
    difference = abs(ours.final_loss - theirs.final_loss) / theirs.final_loss
    summary = [
        f"Beside the step with MAE, one with the Sobel loss takes {beyond[0]:+.1f} ms with gradops "
        f"and {beyond[1]:+.1f} ms with TensorFlow;",
        f"the loss alone is {theirs.loss_ms[0] / ours.loss_ms[0]:.0f} times faster.",
        f"Loss at the end: {ours.final_loss:.6f} and {theirs.final_loss:.6f}, {difference:.0e} "
        "apart.",
    ]
    setting = (
        f"ESPCN x{model.UPSCALING}, {options.steps} steps of {options.batch} patches, "
        f"{options.patch} x {options.patch} RGB, float32, seed {options.seed}, "
        f"{os.cpu_count()} CPUs, {ours.versions}"
    )
    return "\n\n".join("\n".join(block) for block in [[setting], align(rows), summary, [_NOTES]])


def _crop(images: np.ndarray) -> np.ndarray:
    top, left, height, width = _CROP
    return np.clip(images, 0, 1)[top : top + height, left : left + width]


def _magnitudes(image: np.ndarray) -> np.ndarray:
    """Sobel magnitude of the luma, [H, W]."""
    luma = image @ np.array([0.299, 0.587, 0.114], np.float32)
    return np.asarray(gradops.gradient_magnitude(luma[..., None], scale="unit"))[..., 0]


def write_picture(results: list[Result], path: Path) -> None:
    """Crops side by side, above the errors of their gradient magnitudes."""
    small, large = data.test_pair(data.TEST[0])
    titled = [("Bicubic", model.bicubic(small)[0].numpy())]
    # One network with the Sobel loss: the other has the same weights, up to rounding.
    shown = [PROVIDERS["mae"], PROVIDERS["gradops"]]
    titled += [(r.provider.title, r.image) for r in results if r.provider in shown]
    titled.append(("Original", large[0]))
    target = _magnitudes(_crop(large[0]))

    layout = ConstrainedLayoutEngine(w_pad=0.05, h_pad=0.06)
    figure, axes = plt.subplots(2, len(titled), figsize=(16, 8.6), dpi=100, layout=layout)
    for column, (title, image) in enumerate(titled):
        photo, error = axes[:, column]
        photo.imshow(_crop(image), interpolation="nearest")
        photo.set_title(title, fontsize=19)
        if title == "Original":
            error.imshow(target, cmap="gray", vmin=0, vmax=0.5, interpolation="nearest")
            error.set_xlabel("its gradient magnitude", fontsize=15)
            continue
        quality = worker.quality(image[np.newaxis], large)
        photo.set_xlabel(f"PSNR {quality['psnr']:.2f} dB, GMSD {quality['gmsd']:.4f}", fontsize=15)
        difference = np.abs(_magnitudes(_crop(image)) - target)
        error.imshow(difference, cmap="magma", vmin=0, vmax=_LARGEST, interpolation="nearest")
        error.set_xlabel(f"gradient magnitude is off by {difference.mean():.4f}", fontsize=15)
    for axis in axes.flat:
        axis.set(xticks=[], yticks=[])
        axis.spines[:].set_visible(False)
    figure.savefig(path, format="png")
    plt.close(figure)
