"""The loss as keras.losses.Loss classes."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from gradops import _ops, _options, functional


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
      data_format: "channels_last"; None means keras.config.image_data_format() at construction.
      reduction: A Keras reduction of the [B] losses: "sum_over_batch_size", "mean", "sum",
        "mean_with_sample_weight", "none" or None.
      name: Name of the loss.
      dtype: Both images are cast to it, as in every Keras loss: "float32" or "float64"; None means
        keras.config.floatx().

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
        if tf.as_dtype(self.dtype) not in functional.DTYPES:
            names = ", ".join(repr(allowed.name) for allowed in functional.DTYPES)
            raise ValueError(f"dtype must be one of {names}, got {self.dtype!r}")
        self.data_format = _options.check_data_format(data_format)
        self._options = _options.check(
            stencil=stencil, penalty=penalty, response=response, border=border, scale=scale
        )

    def call(self, y_true: tf.Tensor, y_pred: tf.Tensor) -> tf.Tensor:
        """Per-example losses [B]."""
        y_true, y_pred = functional.convert_images(y_true, y_pred)
        upstream = "sum" if self.reduction in ("sum", "none", None) else "mean"
        return _ops.loss(y_true, y_pred, self._options, upstream)

    def get_config(self) -> dict[str, Any]:
        """Every argument, so that a saved model brings its loss back."""
        config = super().get_config()
        config["dtype"] = self.dtype
        return {**config, **self._options, "data_format": self.data_format}


@keras.saving.register_keras_serializable(package="gradops")
class SobelLoss(GradientLoss):
    """loss_b = mean over h, w, c of penalty applied to sobel_edges(y_pred) - sobel_edges(y_true).

    GradientLoss with the Sobel stencil.

    Args:
      penalty: "l1" or "l2".
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
