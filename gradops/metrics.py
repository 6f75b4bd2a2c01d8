"""The losses as Keras metrics: their mean over an epoch."""

from __future__ import annotations

from typing import Any

from gradops._keras import calls
from gradops._keras.losses import MetricOfLosses
from gradops.losses import GradientLoss


class GradientMetric(MetricOfLosses):
    """mean over all examples seen since the last reset of the loss_b of gradops.GradientLoss.

    Args:
      name: Name of the metric.
      dtype: As that of gradops.GradientLoss.
      **options: Arguments of gradops.GradientLoss other than reduction.

    Call arguments: those of gradops.GradientLoss. Weights [B] make it a weighted mean of the
    examples; weights of pixels are `weights` of gradops.gradient_loss. (Keras passes sample weights
    to the metrics in `weighted_metrics`.)

    Raises:
      ValueError: As gradops.GradientLoss.

    Example:
      >>> metric = gradops.GradientMetric(stencil="scharr", penalty="l2")
      >>> images = tf.random.uniform([2, 8, 8, 3])
      >>> metric.update_state(images, images)
      >>> float(metric.result())
      0.0

    Source: gradops.gradient_loss.
    """

    def __init__(self, *, name: str = "gradient_metric", dtype: Any = None, **options: Any):
        calls.check_is_mean(self, options)
        super().__init__(GradientLoss(**options, reduction="none", name=name, dtype=dtype))


class SobelMetric(GradientMetric):
    """mean over all examples seen since the last reset of the loss_b of gradops.SobelLoss.

    GradientMetric with the Sobel stencil.

    Args:
      penalty: See gradops.gradient_loss.
      name: Name of the metric.
      **options: Arguments of GradientMetric other than stencil.

    Raises:
      ValueError: As gradops.SobelLoss.

    Example:
      >>> model = keras.Sequential([keras.layers.Conv2D(3, 3, padding="same")])
      >>> model.compile("adam", loss="mse", metrics=[gradops.SobelMetric()])

    Source: tf.image.sobel_edges.
    """

    def __init__(self, penalty: str = "l1", *, name: str = "sobel_metric", **options: Any):
        calls.check_is_sobel("SobelMetric", "GradientMetric", options)
        super().__init__(penalty=penalty, name=name, **options)
