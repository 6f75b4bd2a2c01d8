"""The features that a network finds in images, without training it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf

from gradops._inputs.convert import NARROW
from gradops._inputs.tensors import shape_error, shape_text, with_assert


class Features:
    """The features that an extractor finds in images: a list of tensors [B, ...].

    A plain object, in which Keras does not look for weights when it saves a model: those of the
    extractor are not part of the model that is trained.

    Arguments: see gradops.PerceptualGradientLoss; dtype is that of images for callables.
    """

    def __init__(
        self,
        extractor: Any,
        layers: Sequence[str] | None,
        preprocess: Callable[[tf.Tensor], tf.Tensor] | None,
        dtype: tf.DType,
    ):
        self.extractor = _checked_extractor(extractor)
        if preprocess is not None and (not callable(preprocess) or isinstance(preprocess, type)):
            raise ValueError(f"preprocess must be None or a callable, got {preprocess!r}")
        self.layers = _checked_layers(layers)
        self.preprocess = preprocess
        self._dtype = dtype
        self._network = extractor if self.layers is None else _part(extractor, self.layers)

    @property
    def count(self) -> int | None:
        """The number of outputs, or None if only a call can tell."""
        is_model = isinstance(self._network, keras.Model)
        outputs = getattr(self._network, "outputs", None) if is_model else None
        return len(outputs) if outputs else None

    def __call__(self, argument: str, images: tf.Tensor) -> list[tf.Tensor]:
        """The features; those of a dict are in the order of its sorted keys.

        Raises:
          ValueError: If they are not tensors of a floating dtype, or in a graph as below.
          tf.errors.InvalidArgumentError: If one does not have the batch axis or is empty.
        """
        given = images
        if self.preprocess is not None:
            images = frozen(self.preprocess, images, self._dtype)
            if not isinstance(images, tf.Tensor) or not images.dtype.is_floating:
                raise ValueError(
                    f"preprocess must return images of a floating dtype, got {_text(images)}"
                )
        found = tf.nest.flatten(frozen(self._network, images, self._dtype))
        if not found:
            raise ValueError("feature_extractor must return one tensor or more, got none")
        return [_checked_feature(argument, feature, given) for feature in found]


def frozen(function: Callable[..., Any], images: tf.Tensor, dtype: tf.DType) -> Any:
    """The function of the images. A Keras layer runs in inference mode and gets no gradient.

    Its flag `trainable` is not changed, because the layer may be part of a model that is trained.
    """
    if not isinstance(function, keras.Layer):
        return function(tf.cast(images, dtype))
    if images.dtype in NARROW or not images.dtype.is_floating:
        images = tf.cast(images, function.compute_dtype)  # Keras casts only wider floats
    stopped = [(variable, tf.stop_gradient(variable.value)) for variable in function.variables]
    with keras.StatelessScope(state_mapping=stopped):
        return function(images, training=False)


def _checked_extractor(extractor: Any) -> Any:
    if isinstance(extractor, type) or not callable(extractor):
        raise ValueError(
            "feature_extractor must be a Keras model or a callable that takes images, got "
            f"{extractor!r}"
        )
    if isinstance(extractor, keras.Layer) and not extractor.built:
        raise ValueError(
            f"feature_extractor must be built, that is have its weights, got {extractor!r}, which "
            "is not: call it on images first"
        )
    return extractor


def _checked_layers(layers: Sequence[str] | None) -> tuple[str, ...] | None:
    if layers is None:
        return None
    is_list = isinstance(layers, Sequence) and not isinstance(layers, str)
    if not is_list or not layers or not all(isinstance(layer, str) for layer in layers):
        raise ValueError(
            f"layers must be None or a list of one or more names of layers, got {layers!r}"
        )
    return tuple(layers)


def _part(model: Any, layers: Sequence[str]) -> keras.Model:
    """A model of the same layers up to the named ones, whose outputs it has."""
    if not isinstance(model, keras.Model) or len(getattr(model, "inputs", None) or []) != 1:
        raise ValueError(
            "layers needs a feature_extractor that is a functional or Sequential Keras model of "
            f"one input, got {model!r}; let it return the features itself and leave layers out"
        )
    by_name = {layer.name: layer for layer in model.layers}
    for layer in layers:
        if layer not in by_name:
            raise ValueError(
                f"layers must be of those of feature_extractor ({', '.join(by_name)}), "
                f"got {layer!r}"
            )
    outputs = [_output(model, by_name[layer]) for layer in layers]
    return keras.Model(model.inputs[0], outputs)


def _output(model: keras.Model, layer: keras.Layer) -> Any:
    """The output of the layer in this model. Other models may call the layer too."""
    # A Sequential model has its graph in a functional one.
    graph = getattr(model, "_functional", model)._nodes_by_depth.values()
    nodes = [node for level in graph for node in level if node.operation is layer]
    if len(nodes) != 1:
        raise ValueError(
            f"layers must be of those that feature_extractor calls once, got {layer.name!r}, which "
            f"it calls {len(nodes)} times"
        )
    outputs = nodes[0].output_tensors
    return outputs[0] if len(outputs) == 1 else outputs


def _checked_feature(argument: str, feature: Any, images: tf.Tensor) -> tf.Tensor:
    if not isinstance(feature, tf.Tensor) or not feature.dtype.is_floating:
        raise ValueError(
            f"feature_extractor must return tensors of a floating dtype, got {_text(feature)}"
        )
    message = (
        f"feature_extractor must return features [B, ...] of the batch of {argument} that are not "
        "empty (they are where images are too small)"
    )
    shape, batch = feature.shape, images.shape[0]
    wrong_batch = shape.rank == 0 or not shape[:1].is_compatible_with([batch])
    if wrong_batch or (shape.rank is not None and 0 in shape[1:].as_list()):
        of_images = f"for images {shape_text(images.shape)}"
        raise shape_error(f"{message}, got shape {shape_text(shape)} {of_images}")
    if batch is not None and shape.is_fully_defined():
        return feature
    sizes, of_images = tf.shape(feature), tf.shape(images)
    good = tf.reduce_all(tf.equal(sizes[:1], of_images[:1])) & tf.reduce_all(sizes[1:] > 0)
    good &= tf.size(sizes) > 0
    check = tf.debugging.Assert(good, [f"{message}, got shape", sizes, "for images", of_images])
    return with_assert(check, feature)


def _text(value: Any) -> str:
    if isinstance(value, tf.Tensor):
        return f"a tensor of dtype {value.dtype.name}"
    return "None" if value is None else f"a {type(value).__name__}"
