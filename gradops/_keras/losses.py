"""What the Keras losses and metrics of gradops share: a loss per example, then Keras' reduction."""

from __future__ import annotations

import functools
from abc import abstractmethod
from typing import Any

import keras
import tensorflow as tf

from gradops._inputs import checks, tensors
from gradops._keras import calls
from gradops._keras.legacy import NotOfLegacyKeras


class LossOfExamples(NotOfLegacyKeras, keras.losses.Loss):
    """A Keras loss of images with one loss per example, which can leave out holes in targets.

    Arguments: see gradops.presets.PresetLoss.
    """

    def __init__(
        self,
        *,
        mask: str | None,
        mask_value: float | None,
        reduction: str | None,
        name: str,
        dtype: Any,
    ):
        calls.check_backend()
        self._image_dtype = calls.image_dtype(dtype)
        value_dtype = tensors.loss_dtype(self._image_dtype).name
        super().__init__(name=name, reduction=reduction, dtype=value_dtype)
        if mask is not None:
            checks.choice("mask", mask, calls.MASKS)
        self.mask = mask
        self.mask_value = None if mask_value is None else checks.finite("mask_value", mask_value)

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> tf.Tensor:
        """The reduced loss; see the class for the arguments."""
        call = self.sort(y_true, y_pred, sample_weight)
        losses = self.losses(call)
        reduction = _reduction(self.name, self.reduction, losses.dtype.name)
        return reduction.reduce(losses, call.sample_weight, call.mask)

    def call(self, y_true: Any, y_pred: Any) -> tf.Tensor:
        """Per-example losses, of the shape of the leading axes."""
        return self.losses(self.sort(y_true, y_pred, None))

    @abstractmethod
    def sort(self, y_true: Any, y_pred: Any, sample_weight: Any) -> calls.Call:
        """The arguments of a call, for `losses`."""

    @abstractmethod
    def losses(self, call: calls.Call) -> tf.Tensor:
        """Per-example losses, before the weights and the mask of examples are applied."""

    def get_config(self) -> dict[str, Any]:
        """The arguments that all losses share, for loading a saved model with its loss."""
        own = {"mask": self.mask, "mask_value": self.mask_value}
        return {**super().get_config(), "dtype": self._image_dtype.name, **own}


class MetricOfLosses(NotOfLegacyKeras, keras.metrics.Mean):
    """The mean of the per-example losses of a loss of gradops."""

    def __init__(self, loss: LossOfExamples):
        self._loss = loss
        super().__init__(name=loss.name, dtype=loss.dtype)

    @property
    def functional_form(self) -> str:  # type: ignore[override]
        return self._loss.functional_form

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Adds a batch; see the loss for the arguments."""
        call = self._loss.sort(y_true, y_pred, sample_weight)
        losses = self._loss.losses(call)
        super().update_state(losses, call.metric_weights(losses))

    def get_config(self) -> dict[str, Any]:
        """Every argument, so that a saved model brings its metric back."""
        config = self._loss.get_config()
        del config["reduction"]
        return config


@functools.lru_cache(maxsize=64)
def _reduction(name: str, reduction: str | None, dtype: str) -> calls.Reduction:
    return calls.Reduction(name=name, reduction=reduction, dtype=dtype)
