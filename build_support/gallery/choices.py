"""What losses make of a prediction that is worse and worse in one way."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import tensorflow as tf
from matplotlib import pyplot
from matplotlib.figure import Figure

import gradops
from build_support.gallery import photographs, style


def _mean_absolute(y_true: np.ndarray, y_pred: np.ndarray) -> tf.Tensor:
    return tf.reduce_mean(tf.abs(y_pred - y_true), axis=[1, 2, 3])


LOSSES: dict[str, Callable[[np.ndarray, np.ndarray], tf.Tensor]] = {
    "mean absolute error": _mean_absolute,
    "sobel": gradops.gradient_loss,
    "sobel, 4 scales": lambda t, p: gradops.gradient_loss(t, p, scales=4),
    "sobel, magnitude": lambda t, p: gradops.gradient_loss(t, p, response="magnitude"),
    "sobel, normal": lambda t, p: gradops.gradient_loss(t, p, response="normal", scale="unit"),
    "GMSD": gradops.presets.gmsd,
}
#: Title, amounts, image and amount -> image.
SWEEPS: list[tuple[str, np.ndarray, Callable[[np.ndarray, float], np.ndarray]]] = [
    ("blur, pixels", np.linspace(0, 4, 17), photographs.blurred),
    ("noise, standard deviation", np.linspace(0, 0.1, 17), photographs.noisy),
    ("shift, pixels", np.arange(9), lambda image, by: np.roll(image, int(by), axis=1)),
    ("brightness, added", np.linspace(0, 0.3, 9), lambda image, by: image + np.float32(by)),
]
#: Losses are shown in units of what they are for this blur.
UNIT_BLUR = 2.0


def value(loss: Callable, target: np.ndarray, prediction: np.ndarray) -> float:
    """The loss of one image."""
    return float(loss(target[None], prediction[None])[0])


def draw() -> Figure:
    """Losses by amount, one panel for each way to be wrong."""
    target = photographs.portrait()
    figure, panels = pyplot.subplots(1, len(SWEEPS), figsize=(12, 3.3), sharey=True)
    units = {
        name: value(loss, target, photographs.blurred(target, UNIT_BLUR))
        for name, loss in LOSSES.items()
    }
    for panel, (title, amounts, change) in zip(panels, SWEEPS, strict=True):
        images = [change(target, amount) for amount in amounts]
        for (name, loss), colour in zip(LOSSES.items(), style.COLOURS, strict=True):
            values = [value(loss, target, image) / units[name] for image in images]
            panel.plot(amounts, values, color=colour, label=name)
        panel.set_title(title)
        panel.set_xlim(amounts[0], amounts[-1])
    panels[0].set(ylim=(-0.1, 4), ylabel=f"loss / loss of a blur of {UNIT_BLUR:.0f} pixels")
    panels[0].legend(loc="upper left", fontsize=8, handlelength=1.3)
    figure.tight_layout(w_pad=1.2)
    return figure
