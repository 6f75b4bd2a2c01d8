"""The loss as keras.losses.Loss classes."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from gradops import _convert, _ops, _options


@keras.saving.register_keras_serializable(package="gradops")
class GradientLoss(keras.losses.Loss):
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
      weight: The losses are multiplied with it, a finite number. Faster than loss_weights or a
        multiplication outside, which the pass that finds the gradient cannot foresee.
      data_format: "channels_last" or "channels_first"; None means what
        keras.config.image_data_format() is at construction.
      reduction: A Keras reduction of the [B] losses: "sum_over_batch_size", "mean", "sum",
        "mean_with_sample_weight", "none" or None.
      name: Name of the loss.
      dtype: Both images are cast to it, as in every Keras loss: "float16", "bfloat16", "float32" or
        "float64"; None means keras.config.floatx().

    Call arguments: y_true and y_pred [B, H, W, C], sample_weight [B] or None. Returns a scalar, or
    [B] for reduction "none".

    Raises:
      ValueError: If an option is not one of those built or Keras runs on another backend.
      tf.errors.InvalidArgumentError: When called, as gradops.gradient_loss.

    Example:
      >>> model = keras.Sequential([keras.layers.Conv2D(3, 3, padding="same")])
      >>> model.compile("adam", loss=gradops.GradientLoss(penalty="l2"))

    Source: gradops.gradient_loss.
    """

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
        weight: float = 1.0,
        data_format: str | None = None,
        reduction: str | None = "sum_over_batch_size",
        name: str = "gradient_loss",
        dtype: Any = None,
    ):
        if keras.config.backend() != "tensorflow":
            raise ValueError(
                "gradops needs the TensorFlow backend of Keras, got "
                f"{keras.config.backend()!r}; set KERAS_BACKEND=tensorflow before importing keras"
            )
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        if tf.as_dtype(self.dtype) not in _convert.DTYPES:
            names = ", ".join(repr(allowed.name) for allowed in _convert.DTYPES)
            raise ValueError(f"dtype must be one of {names}, got {self.dtype!r}")
        self._options = _options.check(
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
        self.data_format = self._options["data_format"]
        self.weight = _finite("weight", weight)
        self._parameters = dict(
            epsilon=epsilon, delta=delta, alpha=alpha, response_epsilon=response_epsilon
        )

    def call(self, y_true: tf.Tensor, y_pred: tf.Tensor) -> tf.Tensor:
        """Per-example losses [B]."""
        inputs = _convert.inputs(y_true, y_pred)
        upstream = "sum" if self.reduction in ("sum", "none", None) else "mean"
        losses = _ops.loss(inputs, self._options, upstream, self.weight)
        return losses if self.weight == 1 else self.weight * losses

    def get_config(self) -> dict[str, Any]:
        """Every argument, so that a saved model brings its loss back."""
        config = super().get_config()
        config["dtype"] = self.dtype
        names = {name: self._options[name] for name in _options.allowed_names()}
        return {**config, **names, **self._parameters, "weight": self.weight}


def _finite(argument: str, value: float) -> float:
    number = _options.as_finite(value)
    if number is None:
        raise ValueError(f"{argument} must be a finite number, got {value!r}")
    return number


@keras.saving.register_keras_serializable(package="gradops")
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
        if kwargs.get("stencil", "sobel") != "sobel":
            raise ValueError(
                f"stencil of SobelLoss is 'sobel', got {kwargs['stencil']!r}; use GradientLoss"
            )
        super().__init__(penalty=penalty, name=name, **kwargs)
