"""Borders, and what the responses see of a prediction that is wrong in one way."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from matplotlib.figure import Figure

import gradops
from build_support.gallery import photographs, style
from gradops._composite.stencils import BORDERS

#: Ways to be wrong, of images [H, W, C].
WRONG: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "blurred": lambda image: photographs.blurred(image, 1.5),
    "noisy": lambda image: photographs.noisy(image, 0.05),
    "shifted by 1 pixel": lambda image: np.roll(image, 1, axis=1),
    "brighter": lambda image: image + np.float32(0.2),
    "half the contrast": lambda image: image / 2 + np.float32(0.25),
    "negative": lambda image: 1 - image,
}
#: Those that are shown: "sum" is for second differences.
RESPONSES = ("component", "magnitude", "absolute", "direction", "normal")
_SCALE = {"scale": "unit"}


def draw_borders() -> Figure:
    """The magnitude in a corner of a photograph, for every border."""
    image = photographs.grey(photographs.portrait()[84:108, 66:90])[None]
    figure, axes = style.grid(1, len(BORDERS) + 1, gridspec_kw={"wspace": 0.08})
    panels = axes[0]
    style.label_column(panels[0], "image")
    panels[0].imshow(image[0, ..., 0], cmap="gray", vmin=0, vmax=1)
    for panel, border in zip(panels[1:], BORDERS, strict=True):
        length = gradops.gradient_magnitude(image, border=border, **_SCALE).numpy()[0, ..., 0]
        style.label_column(panel, border)
        if border == "valid":  # has nothing at the rim
            rim = np.ones(length.shape, bool)
            rim[1:-1, 1:-1] = False
            length = np.where(rim, np.nan, length)
        style.show(panel, length, 0.25, signed=False)
    return figure


def draw_responses() -> Figure:
    """The residual maps of the responses, for every way to be wrong."""
    target = photographs.portrait()
    figure, axes = style.grid(
        len(WRONG), len(RESPONSES) + 1, gridspec_kw={"wspace": 0.04, "hspace": 0.04}
    )
    style.label_column(axes[0, 0], "prediction")
    wrong = {name: make(target) for name, make in WRONG.items()}
    for row, (name, prediction) in zip(axes, wrong.items(), strict=True):
        style.label_row(row[0], name)
        style.show(row[0], prediction)
    for column, response in zip(axes.T[1:], RESPONSES, strict=True):
        style.label_column(column[0], response)
        maps = [residual(target, prediction, response) for prediction in wrong.values()]
        limit = style.strongest(maps[:-1])  # nothing else is as wrong as a negative
        for panel, found in zip(column, maps, strict=True):
            style.show(panel, found, limit, signed=False)
    return figure


def residual(target: np.ndarray, prediction: np.ndarray, response: str) -> np.ndarray:
    """The residual map [H, W] of the lumas."""
    lumas = photographs.grey(target)[None], photographs.grey(prediction)[None]
    options = {"response_epsilon": 0.02} if response == "direction" else {}
    return gradops.residual_map(*lumas, response=response, **options, **_SCALE).numpy()[0]
