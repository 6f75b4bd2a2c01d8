"""Stencils: on the photograph, on waves of every direction and length, raw and unit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from matplotlib import pyplot
from matplotlib.figure import Figure

import gradops
from build_support.gallery import photographs, style
from gradops._composite.stencils import STENCILS

#: Those that are shown: `backward` is `forward` one pixel later, others are second differences.
SHOWN = ("sobel", "scharr", "prewitt", "central", "forward")
_SIDE = 61


def taps(stencil: str) -> tuple[np.ndarray, np.ndarray]:
    """The 3x3 weights of gy and gx: the derivatives at the centre of images of one dot each."""
    dots = np.zeros((9, 5, 5, 1), np.float32)
    for i in range(9):
        dots[i, 1 + i // 3, 1 + i % 3] = 1
    found = gradops.image_gradients(dots, stencil=stencil).numpy()[:, 2, 2, 0]
    return found[:, 0].reshape(3, 3), found[:, 1].reshape(3, 3)


def draw_on_photograph() -> Figure:
    """Taps, gy, gx and magnitude of the stencils."""
    image = photographs.grey(photographs.portrait())[None]
    figure, axes = style.grid(len(SHOWN), 5, gridspec_kw={"wspace": 0.04, "hspace": 0.06})
    titles = ("taps of gy", "taps of gx", "gy", "gx", "magnitude")
    for column, title in zip(axes[0], titles, strict=True):
        style.label_column(column, title)
    for row, stencil in zip(axes, SHOWN, strict=True):
        gradients = gradops.image_gradients(image, stencil=stencil, scale="unit").numpy()
        length = gradops.gradient_magnitude(image, stencil=stencil, scale="unit").numpy()
        style.label_row(row[0], stencil, f"unit: / {STENCILS[stencil].divisor}")
        for panel, weights in zip(row, taps(stencil), strict=False):
            _show_taps(panel, weights)
        style.show(row[2], gradients[0, :, :, 0, 0], 0.16)
        style.show(row[3], gradients[0, :, :, 0, 1], 0.16)
        style.show(row[4], length[0, :, :, 0], 0.2, signed=False)
    return figure


def _show_taps(panel: Any, weights: np.ndarray) -> None:
    panel.imshow(weights / np.abs(weights).max(), cmap=style.SIGNED, vmin=-1.6, vmax=1.6)
    panel.set(xlim=(-0.85, 2.85), ylim=(2.85, -0.85))
    panel.set_xticks([0.5, 1.5], minor=True)
    for (i, j), weight in np.ndenumerate(weights):
        shown = f"{weight:+.0f}" if weight else "0"
        colour = style.INK if weight else style.QUIET
        panel.text(
            j, i, shown.replace("-", "\N{MINUS SIGN}"), ha="center", va="center", color=colour
        )
    for edge in (0.5, 1.5):
        panel.plot([edge, edge], [-0.5, 2.5], color="white", linewidth=1.5)
        panel.plot([-0.5, 2.5], [edge, edge], color="white", linewidth=1.5)


def waves(period: float, angles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Plane waves of `period` pixels and their slopes' lengths at the centre, where they are 0.

    Args:
      period: Pixels from crest to crest.
      angles: Directions [N] in radians; 0 is along the columns.

    Returns:
      Images [N, side, side, 1], float64, and the true slope.
    """
    at = np.arange(_SIDE) - _SIDE // 2
    along = np.cos(angles)[:, None, None] * at + np.sin(angles)[:, None, None] * at[:, None]
    frequency = 2 * np.pi / period
    return np.sin(frequency * along)[..., None], np.float64(frequency)


def _at_centre(images: np.ndarray, stencil: str) -> np.ndarray:
    gradients = gradops.image_gradients(images, stencil=stencil, scale="unit").numpy()
    return gradients[:, _SIDE // 2, _SIDE // 2, 0]


def gains(stencil: str, periods: np.ndarray) -> Iterator[float]:
    """What is left of the slope of waves along the columns, by period."""
    for period in periods:
        images, slope = waves(period, np.zeros(1))
        # The place of a difference of neighbours is half a pixel off, its length is not.
        if stencil == "forward":
            images = np.sin(2 * np.pi / period * (np.arange(_SIDE) - _SIDE // 2 - 0.5))
            images = np.broadcast_to(images, (1, _SIDE, _SIDE))[..., None]
        yield abs(_at_centre(images, stencil)[0, 1] / slope)


def angle_errors(stencil: str, period: float, angles: np.ndarray) -> np.ndarray:
    """Degrees by which the direction of the gradient is wrong, [N]."""
    images, _ = waves(period, angles)
    dy, dx = _at_centre(images, stencil).T
    return np.degrees((np.arctan2(dy, dx) - angles + np.pi) % (2 * np.pi) - np.pi)


def draw_accuracy() -> Figure:
    """Gain by wavelength and error of the direction by direction."""
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(9, 3.3))
    periods = 2 / np.linspace(0.02, 1, 60)
    angles = np.radians(np.linspace(0, 90, 91))
    for stencil, colour in zip(SHOWN, style.COLOURS, strict=False):
        # Sobel, Scharr and Prewitt smooth across the derivative: along it they are all central.
        dashes = {"scharr": (4, 3), "prewitt": (1, 2)}.get(stencil)
        line = dict(color=colour, label=stencil, **({"dashes": dashes} if dashes else {}))
        left.plot(periods, list(gains(stencil, periods)), **line)
        if stencil != "forward":
            right.plot(np.degrees(angles), angle_errors(stencil, 4, angles), **line)
    left.set(xscale="log", xlabel="wavelength, pixels", xticks=[2, 4, 8, 16, 32, 64])
    left.set_xticklabels(["2", "4", "8", "16", "32", "64"])
    left.minorticks_off()
    left.set(xlim=(2, 100), ylim=(-0.02, 1.05), title="share of the slope that is seen")
    right.set(xlabel="direction of the wave, degrees", xlim=(0, 90), xticks=range(0, 91, 15))
    right.set_title("error of the direction, degrees, at 4 pixels per wave")
    left.legend(loc="lower right")
    figure.tight_layout(w_pad=2.5)
    return figure


def draw_scale() -> Figure:
    """Gx along one row of the photograph, raw and unit."""
    image = photographs.grey(photographs.portrait())[None]
    row = 118
    figure, (photograph, raw, unit) = pyplot.subplots(
        1, 3, figsize=(9.6, 2.7), gridspec_kw={"width_ratios": [0.8, 1.5, 1.5]}
    )
    photograph.imshow(image[0, :, :, 0], cmap="gray", vmin=0, vmax=1)
    photograph.axhline(row, color=style.RED)
    photograph.set_axis_off()
    for panel, scale in ((raw, "raw"), (unit, "unit")):
        for stencil, colour in zip(SHOWN, style.COLOURS, strict=False):
            dx = gradops.image_gradients(image, stencil=stencil, scale=scale)[0, row, :, 0, 1]
            panel.plot(dx[40:150], color=colour, linewidth=1.2, label=stencil)
        panel.set_title(f'scale="{scale}": gx along the line')
        panel.set_xlim(0, 109)
    raw.legend(loc="upper right", fontsize=8, handlelength=1.2)
    figure.tight_layout(w_pad=1.5)
    return figure
