"""The features of images by a network that stays as it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf

from gradops._inputs.tensors import shape_error, shape_text, with_assert

_HALVES = (tf.float16, tf.bfloat16)


class Features:
    """What an extractor finds in images, a list of tensors [B, ...].

    A plain object, into which Keras does not look when it saves a model: the weights of the
    extractor are not those of the model that is trained.

    Args:
      extractor: A Keras model or layer, or a callable: images -> a tensor, or a list, tuple or dict
        of tensors.
      layers: Names of layers of the Keras model whose outputs are taken, or None for its own.
      preprocess: What is done to images before: a callable, or None.
      dtype: The dtype of images for extractors that are callables.

    Raises:
      ValueError: If an argument is not one of these.
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
        """How many outputs there are; None if only a call can tell."""
        is_model = isinstance(self._network, keras.Model)
        outputs = getattr(self._network, "outputs", None) if is_model else None
        return len(outputs) if outputs else None

    def __call__(self, argument: str, images: tf.Tensor) -> list[tf.Tensor]:
        """The features; those of a dict in the order of its sorted keys.

        Raises:
          ValueError: If they are no tensors of a floating dtype, or in a graph as below.
          tf.errors.InvalidArgumentError: If one has no axis of the batch, or holds nothing.
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
    """The function of the images; of a Keras layer as for inference and by no means trained.

    Nobody's flags are touched, as the layer may be one of a model that is trained elsewhere.
    """
    if not isinstance(function, keras.Layer):
        return function(tf.cast(images, dtype))
    if images.dtype in _HALVES or not images.dtype.is_floating:
        images = tf.cast(images, function.compute_dtype)  # Keras casts what is wider
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
    """A model of the same layers up to those named, whose outputs are its outputs."""
    if not isinstance(model, keras.Model) or len(getattr(model, "inputs", None) or []) != 1:
        raise ValueError(
            "layers needs a feature_extractor that is a functional or Sequential Keras model of "
            f"one input, got {model!r}; let it return the features itself and leave layers out"
        )
    by_name = {layer.name: layer for layer in model.layers}
    for layer in layers:
        if layer not in by_name:
            raise ValueError(
                f"layers must be of those of feature_extractor, {', '.join(by_name)}; got {layer!r}"
            )
    outputs = [_output(model, by_name[layer]) for layer in layers]
    return keras.Model(model.inputs[0], outputs)


def _output(model: keras.Model, layer: keras.Layer) -> Any:
    """What the layer returns in this model; other models may call it too."""
    # A Sequential keeps its graph in a functional model.
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
    """What something is, in a message."""
    if isinstance(value, tf.Tensor):
        return f"a tensor of dtype {value.dtype.name}"
    return "None" if value is None else f"a {type(value).__name__}"
