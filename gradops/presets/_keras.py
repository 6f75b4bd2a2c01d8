"""Keras losses and metrics from functions (y_true, y_pred, **options) -> per-example losses."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import keras
import numpy as np
import tensorflow as tf

from gradops._keras import calls, sample_weights
from gradops._keras.losses import LossOfExamples, MetricOfLosses


class PresetLoss(LossOfExamples):
    """loss_b = function(y_true, y_pred, **options)_b: what the Keras losses of presets share.

    Each of them is the Keras form of one function: one value per example, then sample weights [B]
    and the reduction, as for any Keras loss.

    Args:
      mask: "finite" leaves out residuals that depend on a NaN or infinite target; None keeps all.
        Only if the function has an argument mask.
      mask_value: A finite target value that marks holes, to be left out in the same way. Only if
        the function has an argument mask.
      reduction: A Keras reduction of the losses: "sum_over_batch_size", "mean", "sum",
        "mean_with_sample_weight", "none" or None.
      name: Name of the loss; None means that of the function.
      dtype: Both images are cast to it, "float16", "bfloat16", "float32" or "float64"; None means
        keras.config.floatx(). Two images of the same 16-bit dtype are not cast. The value is
        float64 for float64, else float32.
      **options: Keyword arguments of the function, except mask and weights. data_format None means
        what keras.config.image_data_format() is at construction.

    Call arguments: y_true and y_pred as the function takes them; sample_weight None or [B], or for
    videos the shape of the losses. Returns a scalar, or the losses for reduction "none".

    Raises:
      ValueError: If an option is not one of the function's or has a wrong value, or Keras runs on
        another backend; when called, if sample_weight has another rank.
      TypeError: If the class has no function, as PresetLoss itself.

    Example:
      >>> loss = gradops.presets.TotalVariationLoss(total="sum", reduction="none")
      >>> isinstance(loss, gradops.presets.PresetLoss), loss.get_config()["total"]
      (True, 'sum')

    Source: that of the function.
    """

    function: ClassVar[Callable[..., tf.Tensor]]
    # Whether the function compares two images, or looks at y_pred alone.
    _uses_target: ClassVar[bool] = True
    # Keywords of the function that are not options of the loss.
    _not_options: ClassVar[frozenset[str]] = frozenset({"mask", "weights", "name"})

    def __init__(
        self,
        *,
        mask: str | None = None,
        mask_value: float | None = None,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: Any = None,
        **options: Any,
    ):
        function = getattr(type(self), "function", None)
        if function is None:
            raise TypeError("PresetLoss is the base of the losses of gradops.presets, not one")
        super().__init__(
            mask=mask,
            mask_value=mask_value,
            reduction=reduction,
            name=name or function.__name__,
            dtype=dtype,
        )
        keywords = _keywords(function)
        self._takes_mask = "mask" in keywords and self._uses_target
        allowed = tuple(sorted(keywords - self._not_options))
        self._options = self._checked(options, allowed)
        if not self._takes_mask and (mask is not None or mask_value is not None):
            raise ValueError(f"{type(self).__name__} takes no mask, got {mask or mask_value!r}")

    def _checked(self, options: dict[str, Any], allowed: tuple[str, ...]) -> dict[str, Any]:
        """The options, checked by the function, with the data format filled in."""
        for option in options:
            if option not in allowed:
                names = ", ".join(map(repr, allowed)) or "none"
                raise ValueError(
                    f"{option} is not an option of {type(self).__name__}, which takes {names}"
                )
        if "data_format" in allowed and options.get("data_format") is None:
            options = {**options, "data_format": keras.config.image_data_format()}
        try:
            self._function(_Unseen(), _Unseen(), **options)
        except _SeenError:
            return {option: _kept(value) for option, value in options.items()}
        raise NotImplementedError(f"{type(self).__name__}: its function looks at no image")

    def _function(self, y_true: Any, y_pred: Any, **options: Any) -> tf.Tensor:
        images = (y_true, y_pred) if self._uses_target else (y_pred,)
        return type(self).function(*images, **options)

    @property
    def functional_form(self) -> str:  # type: ignore[override]
        """The name of the function, or the function of two images that it stands for."""
        name = f"gradops.presets.{type(self).function.__name__}"
        return name if self._uses_target else f"lambda y_true, y_pred: {name}(y_pred)"

    def sort(self, y_true: Any, y_pred: Any, sample_weight: Any) -> calls.Call:
        """The arguments of a call, for `losses`."""
        data_format = self._options.get("data_format", "channels_last")
        target = y_true if self._uses_target else y_pred
        call = calls.sort(target, y_pred, self._image_dtype, data_format)
        if call.pixel_mask is not None and not self._takes_mask:
            got = sample_weights.rank_or_shape(call.pixel_mask)
            raise ValueError(
                f"the Keras mask of y_pred must be one of examples for {type(self).__name__}, "
                f"which takes no mask of pixels, got {got}"
            )
        return call._replace(sample_weight=sample_weight)

    def losses(self, call: calls.Call) -> tf.Tensor:
        """Per-example losses, before the weights and the mask of examples are applied."""
        options = dict(self._options)
        valid = call.valid(self.mask, self.mask_value)
        if valid is not None:
            options["mask"] = valid
        return self._function(call.y_true, call.y_pred, **options)

    def get_config(self) -> dict[str, Any]:
        """Every argument, so that a saved model can be loaded with its loss."""
        config = super().get_config()
        if not self._takes_mask:
            del config["mask"], config["mask_value"]
        return {**config, **self._options}


class PresetMetric(MetricOfLosses):
    """mean over all examples seen since the last reset of the losses of a PresetLoss.

    Args:
      name: Name of the metric; None means that of the loss.
      dtype: As that of the loss.
      **options: Arguments of the loss other than reduction.

    Call arguments: those of the loss. Weights [B] make it a weighted mean of the examples.

    Raises:
      ValueError: As the loss.
      TypeError: If the class has no loss, as PresetMetric itself.

    Example:
      >>> issubclass(gradops.presets.GMSDMetric, gradops.presets.PresetMetric)
      True

    Source: that of the loss.
    """

    loss_class: ClassVar[type[PresetLoss]]

    def __init__(self, *, name: str | None = None, dtype: Any = None, **options: Any):
        loss_class = getattr(type(self), "loss_class", None)
        if loss_class is None:
            raise TypeError("PresetMetric is the base of the metrics of gradops.presets, not one")
        calls.check_is_mean(self, options)
        super().__init__(loss_class(**options, reduction="none", name=name, dtype=dtype))


def _kept(value: Any) -> Any:
    """An option as in a configuration: sequences are copied to lists."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    return list(value) if isinstance(value, Sequence) and not isinstance(value, str) else value


class _SeenError(Exception):
    """A function has read its images."""


class _Unseen:
    """Stands in for images, so that a function only checks its options, which it does first.

    Nothing is computed and no devices are initialised, which a program may still want to configure.
    """

    def __tf_tensor__(self, dtype: Any = None, name: str | None = None) -> tf.Tensor:
        raise _SeenError


def _keywords(function: Callable[..., tf.Tensor]) -> set[str]:
    parameters = inspect.signature(function).parameters.values()
    return {each.name for each in parameters if each.kind is each.KEYWORD_ONLY}
