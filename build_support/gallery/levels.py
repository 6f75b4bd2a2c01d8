"""Several scales, and masks."""

from __future__ import annotations

import numpy as np
import tensorflow as tf
from matplotlib.figure import Figure

import gradops
from build_support.gallery import photographs, style
from gradops._inputs.levels import coarser

SCALES = 4
DOWNSAMPLES = ("stride", "average")


def draw_scales() -> Figure:
    """Residual maps of the levels of both ways to make them."""
    target = photographs.grey(photographs.portrait())
    # Wrong at all sizes: noise, and a bright spot as wide as the face.
    at = np.linspace(-1, 1, target.shape[0], dtype=np.float32)
    spot = 0.25 * np.exp(-4 * (at[:, None] ** 2 + at[None, :] ** 2))[..., None]
    prediction = photographs.noisy(target + spot, 0.03)
    figure, axes = style.grid(2, SCALES + 1, gridspec_kw={"wspace": 0.05, "hspace": 0.06})
    style.label_column(axes[0, 0], "prediction")
    for row, downsample in zip(axes, DOWNSAMPLES, strict=True):
        style.label_row(row[0], downsample)
        row[0].imshow(prediction[..., 0], cmap="gray", vmin=0, vmax=1)
        pair = [tf.constant(image[None]) for image in (target, prediction)]
        for level, panel in enumerate(row[1:]):
            if level:
                pair = [coarser(image, (1, 2), downsample) for image in pair]
            found = gradops.residual_map(*pair, scale="unit").numpy()[0]
            style.show(panel, found, 0.08, signed=False)
            if downsample == DOWNSAMPLES[0]:
                side = pair[0].shape[1]
                style.label_column(panel, f"level {level}", f"{side} x {side}")
    return figure


def draw_masks() -> Figure:
    """A target with holes: filled with 0, and masked."""
    target = photographs.grey(photographs.portrait())
    prediction = photographs.blurred(target, 1.5)
    valid = np.ones(target.shape, bool)
    valid[130:175, 20:75] = False
    valid[60:64] = False
    rng = np.random.default_rng(3)
    for top, left in rng.integers(0, 190, (40, 2)):
        valid[top : top + 5, left : left + 5] = False
    filled = np.where(valid, target, np.float32(0))
    maps = {
        "holes filled with 0": gradops.residual_map(filled[None], prediction[None], scale="unit"),
        "masked": gradops.residual_map(
            np.where(valid, target, np.float32(np.nan))[None],
            prediction[None],
            mask=valid[None],
            scale="unit",
        ),
    }
    figure, axes = style.grid(1, 4, side=2.1, gridspec_kw={"wspace": 0.05})
    for panel, title, image in zip(
        axes[0],
        (("target", "holes in red"), ("prediction", "blurred")),
        (target, prediction),
        strict=False,
    ):
        shown = np.repeat(image, 3, axis=-1)
        if image is target:
            shown[~valid[..., 0]] = (0.76, 0.07, 0.12)
        style.label_column(panel, *title)
        style.show(panel, shown)
    for panel, (title, found) in zip(axes[0, 2:], maps.items(), strict=True):
        style.label_column(panel, "residuals", title)
        style.show(panel, found.numpy()[0], 0.15, signed=False)
    return figure
