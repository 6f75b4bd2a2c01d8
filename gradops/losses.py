"""The loss as Keras losses, and as metrics: their mean over an epoch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from gradops import _scales
from gradops._inputs import checks, convert
from gradops._keras import calls, sample_weights
from gradops._keras.losses import LossOfExamples, MetricOfLosses


class GradientLoss(LossOfExamples):
    """loss_b = mean over h, w, c and k in {y, x} of penalty((S_k y_pred)_b - (S_k y_true)_b).

    The Keras form of gradops.gradient_loss: one value per example, then sample weights [B] and the
    reduction, as for any Keras loss.

    Args:
      stencil: See gradops.gradient_loss.
      penalty: See gradops.gradient_loss.
      response: See gradops.gradient_loss.
      border: See gradops.gradient_loss.
      scale: See gradops.gradient_loss.
      epsilon: See gradops.gradient_loss.
      delta: See gradops.gradient_loss.
      alpha: See gradops.gradient_loss.
      response_epsilon: See gradops.gradient_loss.
      normalizer: See gradops.gradient_loss.
      scales: See gradops.gradient_loss.
      downsample: See gradops.gradient_loss.
      scale_weights: See gradops.gradient_loss.
      mask: "finite" leaves out residuals that depend on a NaN or infinite target; None keeps all.
      mask_value: A finite target value that marks holes, to be left out in the same way.
      weight: A finite number that the losses are multiplied with. Faster than loss_weights or a
        multiplication outside, because the pass that finds the gradient knows it.
      data_format: "channels_last" or "channels_first"; None means what
        keras.config.image_data_format() is at construction.
      reduction: A Keras reduction of the losses: "sum_over_batch_size", "mean", "sum",
        "mean_with_sample_weight", "none" or None.
      name: Name of the loss.
      dtype: Both images are cast to it, "float16", "bfloat16", "float32" or "float64"; None means
        keras.config.floatx(). Two images of the same 16-bit dtype are not cast. The value is
        float64 for float64, else float32: it neither overflows nor loses digits.

    Call arguments: y_true and y_pred [B, H, W, C]; sample_weight None, a scalar, [B] or [B, 1] for
    weights of examples, or [B, H, W], [B, H, W, 1] or [B, H, W, C] for weights of pixels, as
    `weights` of gradops.gradient_loss (channels_first: [B, H, W], [B, 1, H, W] or [B, C, H, W]).
    Each frame of videos [B, T, H, W, C] is an example, with weights [B] or [B, T], or those of
    pixels. A Keras mask of y_pred may be one of examples or, like `mask`, of pixels. Keras' class
    weights are not meant for images (docs/compatibility.md). Returns a scalar, or the losses for
    reduction "none".

    Raises:
      ValueError: If an option is not one of those allowed or Keras runs on another backend; when
        called, if sample_weight has another rank.
      tf.errors.InvalidArgumentError: When called, as gradops.gradient_loss.

    Example:
      >>> model = keras.Sequential([keras.layers.Conv2D(3, 3, padding="same")])
      >>> model.compile("adam", loss=gradops.GradientLoss(penalty="l2"))

    Source: gradops.gradient_loss.
    """

    functional_form = "gradops.gradient_loss"

    def __init__(
        self,
        *,
        stencil: str = "sobel",
        penalty: str = "l1",
        response: str = "component",
        border: str = "reflect",
        scale: str = "raw",
        epsilon: float | None = None,
        delta: float | None = None,
        alpha: float | None = None,
        response_epsilon: float | None = None,
        normalizer: str = "residuals",
        scales: int = 1,
        downsample: str = "stride",
        scale_weights: Sequence[float] | None = None,
        mask: str | None = None,
        mask_value: float | None = None,
        weight: float = 1.0,
        data_format: str | None = None,
        reduction: str | None = "sum_over_batch_size",
        name: str = "gradient_loss",
        dtype: Any = None,
    ):
        super().__init__(
            mask=mask, mask_value=mask_value, reduction=reduction, name=name, dtype=dtype
        )
        self._options = checks.options(
            stencil=stencil,
            penalty=penalty,
            response=response,
            border=border,
            scale=scale,
            epsilon=epsilon,
            delta=delta,
            alpha=alpha,
            response_epsilon=response_epsilon,
            normalizer=normalizer,
            data_format=data_format,
        )
        self._scales = _scales.check(scales, downsample, scale_weights)
        self.data_format = self._options["data_format"]
        self.weight = checks.finite("weight", weight)
        self._parameters = dict(
            epsilon=epsilon, delta=delta, alpha=alpha, response_epsilon=response_epsilon
        )

    def sort(self, y_true: Any, y_pred: Any, sample_weight: Any) -> calls.Call:
        """The arguments of a call, for `losses`."""
        call = calls.sort(y_true, y_pred, self._image_dtype, self.data_format)
        by_example, by_pixel = sample_weights.route(sample_weight, call.y_pred, self.data_format)
        return call._replace(sample_weight=by_example, pixel_weights=by_pixel)

    def losses(self, call: calls.Call) -> tf.Tensor:
        """Per-example losses, before the weights and the mask of examples are applied."""
        valid = call.valid(self.mask, self.mask_value)
        inputs, leading = convert.inputs(call.y_true, call.y_pred, call.pixel_weights, valid)
        upstream = "sum" if self.reduction in ("sum", "none", None) else "mean"
        losses = _scales.loss(inputs, self._options, self._scales, upstream, self.weight)
        losses = leading.unfold_losses(losses)
        return losses if self.weight == 1 else self.weight * losses

    def get_config(self) -> dict[str, Any]:
        """Every argument, so that a saved model can be loaded with its loss."""
        config = super().get_config()
        names = {name: x for name, x in self._options.items() if name in checks.allowed_names()}
        weights, downsample = self._scales.weights, self._scales.downsample
        config |= {"scales": len(weights), "downsample": downsample, "scale_weights": list(weights)}
        return {**config, **names, **self._parameters, "weight": self.weight}


class SobelLoss(GradientLoss):
    """loss_b = mean over h, w, c of penalty applied to sobel_edges(y_pred) - sobel_edges(y_true).

    GradientLoss with the Sobel stencil.

    Args:
      penalty: See gradops.gradient_loss.
      name: Name of the loss.
      **kwargs: Arguments of GradientLoss other than stencil.

    Raises:
      ValueError: As GradientLoss.

    Example:
      >>> images = tf.random.uniform([2, 8, 8, 3])
      >>> gradops.SobelLoss()(images, images).numpy()
      np.float32(0.0)

    Source: tf.image.sobel_edges.
    """

    def __init__(self, penalty: str = "l1", *, name: str = "sobel_loss", **kwargs: Any):
        calls.check_is_sobel("SobelLoss", "GradientLoss", kwargs)
        super().__init__(penalty=penalty, name=name, **kwargs)


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
