"""A loss of the features that a network finds in images, and of the images' gradients."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf

from gradops._inputs import checks, convert, tensors
from gradops._inputs.convert import TensorLike
from gradops._inputs.leading import check_rank
from gradops._inputs.same_shape import same_shape
from gradops._keras import calls, sample_weights
from gradops._keras.legacy import NotOfLegacyKeras
from gradops._perceptual import saved_parts
from gradops._perceptual.features import Features
from gradops._perceptual.gradient_term import GradientTerm, mean_by_example

_PENALTIES = {"l2": tf.square, "l1": tf.abs}


class PerceptualGradientLoss(NotOfLegacyKeras, keras.losses.Loss):
    """loss_b = w sum_l v_l mean((phi_l(y_pred)_b - phi_l(y_true)_b)^2) + u gradient_loss_b.

    phi_l are features of the images, such as the outputs of layers of VGG (gradops.vgg_features);
    w is perceptual_weight, v layer_weights and u gradient_weight. One value per example, then
    sample weights [B] and the reduction, as for any Keras loss.

    The extractor does not change: a Keras model runs in inference mode, and its weights get no
    gradient, even if it is trainable, and are not saved with those of the trained model. (This does
    not hold for variables that a callable reads.) The features of y_true get no gradient.

    Args:
      feature_extractor: A built Keras model, or a callable: images -> features [B, ...], a tensor
        or a list, tuple or dict of them (in the order of the sorted keys). It must fit the data
        format and the value range of the images.
      perceptual_weight: w, at least 0. With 0 the extractor does not run.
      gradient_weight: u, at least 0.
      gradient_loss: None for gradops.SobelLoss(); a loss of gradops or Keras, whose per-example
        losses are used (the mean over further axes) instead of its reduction; a callable
        (y_true, y_pred) -> [B]; or "mean_magnitude" for gradops.presets.mean_magnitude:
        (m(y_pred) - m(y_true))^2 with the mean magnitude m of an image's differences.
      layers: Names of layers of a functional or Sequential Keras model. Their outputs are the
        features in place of the model's own.
      layer_weights: v, one number of at least 0 for each of the features; None means 1 for all.
      feature_penalty: "l2" for the square, or "l1" for the absolute value.
      preprocess: A callable that is applied to images before the extractor, or None.
      reduction: A Keras reduction of the losses: "sum_over_batch_size", "mean", "sum",
        "mean_with_sample_weight", "none" or None.
      name: Name of the loss.
      dtype: As that of gradops.GradientLoss; the value is float64 for float64, else float32.
        Extractors that are callables get images of the dtype of the value. Keras models get 16-bit
        images in their compute dtype, and cast others as they do; the features are compared in the
        dtype of the value.

    Call arguments: y_true and y_pred of one shape, [B, H, W, C] for most extractors; sample_weight
    None or [B]. Returns a scalar, or the losses [B] for reduction "none".

    Saving: the configuration includes the extractor, so that a loaded loss has the same values.
    Models of vgg_features with weights "imagenet" or None are made again and checked to be the
    same; other Keras models are included with layers and weights, at four thirds of their size.
    Callables must be registered with keras.saving.register_keras_serializable, else saving fails.

    Raises:
      ValueError: If an argument is not one of those described; in a graph, if shapes do not match
        or a feature is of integers; when saved, if a part cannot be.
      tf.errors.InvalidArgumentError: If y_true and y_pred do not have the same shape, or features
        are empty or have another batch, in eager mode or where the graph did not know the shape.

    Example:
      >>> extractor = gradops.vgg_features(layers=["block1_conv2", "block2_conv2"], weights=None)
      >>> loss = gradops.PerceptualGradientLoss(extractor, layer_weights=[1, 0.5])
      >>> images = tf.random.uniform([2, 16, 16, 3])
      >>> float(loss(images, images))
      0.0
      >>> loss.bind(images)(images + 0.1) > 0  # for many images with one target
      <tf.Tensor: shape=(), dtype=bool, numpy=True>

    Source: Johnson et al. 2016, section 3.2 (feature reconstruction), with a gradient term.
    """

    functional_form = "PerceptualGradientLoss(...).call"

    def __init__(
        self,
        feature_extractor: Any,
        *,
        perceptual_weight: float = 1.0,
        gradient_weight: float = 0.05,
        gradient_loss: Any = None,
        layers: Sequence[str] | None = None,
        layer_weights: Sequence[float] | None = None,
        feature_penalty: str = "l2",
        preprocess: Callable[[tf.Tensor], tf.Tensor] | None = None,
        reduction: str | None = "sum_over_batch_size",
        name: str = "perceptual_gradient_loss",
        dtype: Any = None,
    ):
        calls.check_backend()
        self._image_dtype = calls.image_dtype(dtype)
        self._value_dtype = tensors.loss_dtype(self._image_dtype)
        super().__init__(name=name, reduction=reduction, dtype=self._value_dtype.name)
        self._reduction = calls.Reduction(
            name=name, reduction=reduction, dtype=self._value_dtype.name
        )
        self.perceptual_weight = checks.bounded("perceptual_weight", perceptual_weight, 0)
        self.gradient_weight = checks.bounded("gradient_weight", gradient_weight, 0)
        checks.choice("feature_penalty", feature_penalty, tuple(_PENALTIES))
        self.feature_penalty = feature_penalty
        self._features = Features(feature_extractor, layers, preprocess, self._value_dtype)
        self.layer_weights = _layer_weights(layer_weights)
        self._check_count(self._features.count)
        self._gradient_term = GradientTerm(
            gradient_loss, self.gradient_weight, reduction, self._image_dtype
        )

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> tf.Tensor:
        """The reduced loss; see the class for the arguments."""
        mask = _mask_of_examples(y_pred)
        return self._reduction.reduce(self.call(y_true, y_pred), sample_weight, mask)

    def call(self, y_true: Any, y_pred: Any) -> tf.Tensor:
        """Losses by example, [B]."""
        return self._losses(*_pair(y_true, y_pred), None)

    def bind(
        self, y_true: TensorLike, sample_weight: TensorLike | None = None
    ) -> Callable[[TensorLike], tf.Tensor]:
        """y_pred -> loss(y_true, y_pred, sample_weight), with the features of y_true found once.

        For many losses with the same target, such as in the optimisation of an image.

        Args:
          y_true: Target images, [B, H, W, C].
          sample_weight: None or [B].

        Returns:
          A function of predicted images of the same shape. It keeps the features of y_true even if
          the extractor changes later.

        Raises:
          ValueError: As the loss.
          tf.errors.InvalidArgumentError: As the loss.

        Example:
          >>> target = tf.random.uniform([1, 8, 8, 3])
          >>> loss = gradops.PerceptualGradientLoss(tf.nn.relu).bind(target)
          >>> image = tf.Variable(tf.zeros_like(target))
          >>> with tf.GradientTape() as tape:
          ...     value = loss(image)
          >>> tape.gradient(value, image).shape
          TensorShape([1, 8, 8, 3])
        """
        target = convert.tensor("y_true", y_true)
        sample_weights.weights_of(tf.zeros(tf.shape(target)[:1]), sample_weight)  # checks them
        features = self._found("y_true", target) if self.perceptual_weight else None

        def bound(y_pred: TensorLike) -> tf.Tensor:
            mask = _mask_of_examples(y_pred)
            losses = self._losses(*_pair(target, y_pred), features)
            return self._reduction.reduce(losses, sample_weight, mask)

        return bound

    def get_config(self) -> dict[str, Any]:
        """Every argument, so that a saved model can be loaded with its loss.

        Raises:
          ValueError: If the extractor, preprocess or gradient_loss cannot be saved.
        """
        features = self._features
        return {
            **super().get_config(),
            "dtype": self._image_dtype.name,
            "feature_extractor": saved_parts.save("feature_extractor", features.extractor),
            "perceptual_weight": self.perceptual_weight,
            "gradient_weight": self.gradient_weight,
            "gradient_loss": saved_parts.save("gradient_loss", self._gradient_term.loss),
            "layers": None if features.layers is None else list(features.layers),
            "layer_weights": self.layer_weights,
            "feature_penalty": self.feature_penalty,
            "preprocess": saved_parts.save("preprocess", features.preprocess),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> PerceptualGradientLoss:
        """The loss of a configuration from get_config.

        Raises:
          ValueError: If a part is not the same as when it was saved.
        """
        saved = ("feature_extractor", "gradient_loss", "preprocess")
        return cls(**{**config, **{name: saved_parts.load(name, config[name]) for name in saved}})

    def _losses(
        self, y_true: tf.Tensor, y_pred: tf.Tensor, targets: list[tf.Tensor] | None
    ) -> tf.Tensor:
        """Per-example losses. `targets`: the features of y_true, if they are known."""
        terms = [tf.zeros(tf.shape(y_pred)[:1], self._value_dtype)]
        if self.perceptual_weight:
            terms += self._feature_terms(targets or self._found("y_true", y_true), y_pred)
        if self.gradient_weight:
            terms.append(self._gradient_term(y_true, y_pred))
        # Stacked, because adding would broadcast a term with another batch.
        return tf.reduce_sum(tf.stack(terms), axis=0)

    def _found(self, argument: str, images: tf.Tensor) -> list[tf.Tensor]:
        """The features of images, without a gradient."""
        return [tf.stop_gradient(x) for x in self._features(argument, tf.stop_gradient(images))]

    def _feature_terms(self, targets: list[tf.Tensor], y_pred: tf.Tensor) -> list[tf.Tensor]:
        found = self._features("y_pred", y_pred)
        self._check_count(len(found))
        if len(targets) != len(found):
            raise ValueError(
                "feature_extractor must return as many features of y_true as of y_pred, got "
                f"{len(targets)} and {len(found)}"
            )
        message = "feature_extractor must return features of one shape of y_pred and y_true"
        terms = []
        for i, (target, features) in enumerate(zip(targets, found, strict=True)):
            weight = 1.0 if self.layer_weights is None else self.layer_weights[i]
            features = tf.cast(same_shape(features, target, message), self._value_dtype)
            residuals = features - tf.cast(target, self._value_dtype)
            penalties = _PENALTIES[self.feature_penalty](residuals)
            terms.append(self.perceptual_weight * weight * mean_by_example(penalties))
        return terms

    def _check_count(self, count: int | None) -> None:
        given = None if self.layer_weights is None else len(self.layer_weights)
        if None not in (count, given) and count != given:
            raise ValueError(
                f"layer_weights must be one number for each of the {count} features that "
                f"feature_extractor returns, got {given}"
            )


def _mask_of_examples(y_pred: Any) -> tf.Tensor | None:
    """The Keras mask of y_pred. Raises if it is one of pixels, which features cannot leave out."""
    mask = getattr(y_pred, "_keras_mask", None)
    if mask is not None and mask.shape.rank != 1:
        raise ValueError(
            "the Keras mask of y_pred must be one of examples, [B], for PerceptualGradientLoss, "
            f"got {sample_weights.rank_or_shape(mask)}"
        )
    return mask


def _pair(y_true: Any, y_pred: Any) -> tuple[tf.Tensor, tf.Tensor]:
    """Both images, checked to have the same shape."""
    y_true, y_pred = convert.tensor("y_true", y_true), convert.tensor("y_pred", y_pred)
    check_rank("y_pred", y_pred)
    return y_true, same_shape(y_pred, y_true, "y_pred and y_true must have the same shape")


def _layer_weights(values: Sequence[float] | None) -> list[float] | None:
    if values is None:
        return None
    try:
        return [checks.bounded("each of layer_weights", value, 0) for value in values]
    except TypeError:
        raise ValueError(
            f"layer_weights must be None or a list of numbers, got {values!r}"
        ) from None
