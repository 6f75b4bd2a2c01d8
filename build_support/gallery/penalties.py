"""Penalties: as curves, and on a photograph."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf
from matplotlib import pyplot
from matplotlib.figure import Figure

import gradops
from build_support.gallery import photographs, style

#: By what the legend calls them.
PENALTIES: dict[str, dict[str, Any]] = {
    "l1": {"penalty": "l1"},
    "l2": {"penalty": "l2"},
    "charbonnier, epsilon 0.5": {"penalty": "charbonnier", "epsilon": 0.5},
    "huber, delta 0.5": {"penalty": "huber", "delta": 0.5},
    "log, epsilon 0.5": {"penalty": "log", "epsilon": 0.5},
    "power, alpha 1.5": {"penalty": "power", "alpha": 1.5},
}
_REACH = 2.0
_SCRATCHES = range(20, 180, 40)  # columns


def curve(residuals: np.ndarray, options: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """The penalty of residuals [N], and its derivative: both those of losses of tiny images."""
    x = tf.constant(residuals, tf.float64)
    with tf.GradientTape() as tape:
        tape.watch(x)
        # Two columns that differ by the residual.
        images = tf.stack([tf.zeros_like(x), x], axis=1)[:, None, :, None]
        images = tf.repeat(images, 2, axis=1)
        sums, counts = gradops.gradient_sums(
            None, images, stencil="forward", border="valid", **options
        )
        along_x = sums[:, 1] / counts[:, 1]
        total = tf.reduce_sum(along_x)
    return along_x.numpy(), tape.gradient(total, x).numpy()


def draw_curves() -> Figure:
    """Value and derivative by residual."""
    figure, panels = pyplot.subplots(1, 2, figsize=(9, 3.4))
    residuals = np.linspace(-_REACH, _REACH, 401)
    for (name, options), colour in zip(PENALTIES.items(), style.COLOURS, strict=True):
        for panel, values in zip(panels, curve(residuals, options), strict=True):
            panel.plot(residuals, values, color=colour, label=name)
    panels[0].set(title="penalty", xlabel="residual", ylim=(-0.05, 2.5))
    panels[1].set(title="derivative", xlabel="residual", ylim=(-2.4, 2.4))
    for panel in panels:
        panel.set_xlim(-_REACH, _REACH)
    panels[1].legend(loc="upper left", fontsize=8, handlelength=1.4)
    figure.tight_layout(w_pad=2.5)
    return figure


def on_photograph() -> tuple[np.ndarray, dict[str, tuple[np.ndarray, float]]]:
    """A prediction that is blurred and has scratches; maps, and the shares of the scratches."""
    target = photographs.portrait()
    prediction = photographs.blurred(target, 1.0)
    scratches = np.zeros(target.shape[:2], bool)
    for column in _SCRATCHES:
        prediction[40:60, column] += 1.0
        scratches[38:62, column - 2 : column + 3] = True
    pair = photographs.grey(target)[None], photographs.grey(prediction)[None]
    maps = {}
    for name, options in PENALTIES.items():
        given = {key: 0.1 if key in ("epsilon", "delta") else options[key] for key in options}
        found = gradops.residual_map(*pair, scale="unit", **given).numpy()[0]
        found -= found.min()  # of charbonnier, which is epsilon where nothing is wrong
        maps[name] = found, found[scratches].sum() / found.sum()
    return prediction, maps


def draw_on_photograph() -> Figure:
    """Where each penalty finds the loss of that prediction."""
    prediction, maps = on_photograph()
    figure, axes = style.grid(1, len(maps) + 1, gridspec_kw={"wspace": 0.05})
    style.label_column(axes[0, 0], "prediction", "blurred, 4 scratches")
    style.show(axes[0, 0], prediction)
    for panel, (name, (found, share)) in zip(axes[0, 1:], maps.items(), strict=True):
        style.label_column(panel, name.split(",")[0], f"in scratches: {share:.0%}")
        style.show(panel, found, 0.75 * found.max(), signed=False)
    return figure
