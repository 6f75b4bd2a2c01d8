"""VGG16 and VGG19 as extractors of features, with their preprocessing of images."""

from __future__ import annotations

import os
import weakref
from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from gradops._inputs import checks
from gradops._inputs.tensors import shape_error, shape_text, with_assert
from gradops._keras import calls
from gradops._perceptual import vgg_weights

#: The number of convolutions in each of the five blocks.
BLOCKS = {"vgg16": (2, 2, 3, 3, 3), "vgg19": (2, 2, 4, 4, 4)}
_WIDTHS = (64, 128, 256, 512, 512)
#: The means of ImageNet's pixels from 0 to 255, in the channel order of VGG: B, G, R.
_MEANS = (103.939, 116.779, 123.68)
#: The layers of the perceptual loss of Johnson et al.: relu1_2, relu2_2, relu3_3 and relu4_3.
DEFAULT_LAYERS = ("block1_conv2", "block2_conv2", "block3_conv3", "block4_conv3")


class Origin(NamedTuple):
    """The arguments of vgg_features that make the same weights again, and their digest."""

    arguments: dict[str, Any]
    digest: str


_ORIGINS: weakref.WeakKeyDictionary[keras.Model, Origin] = weakref.WeakKeyDictionary()


def origin(model: keras.Model) -> Origin | None:
    """How to make a model of vgg_features again; None if the result may not be the same."""
    found = _ORIGINS.get(model)
    unchanged = found is not None and found.digest == vgg_weights.digest(model.get_weights())
    return found if unchanged else None


def vgg_features(
    architecture: str = "vgg16",
    layers: Sequence[str] = DEFAULT_LAYERS,
    *,
    weights: str | os.PathLike | None = "imagenet",
    value_range: Sequence[float] = (0.0, 1.0),
    data_format: str | None = None,
    seed: int = 0,
    dtype: Any = None,
    name: str | None = None,
) -> keras.Model:
    """phi_l(BGR(255 (images - low) / (high - low)) - means) for each layer l: features of VGG.

    A frozen Keras model for gradops.PerceptualGradientLoss, which ends with the deepest of the
    layers. It includes VGG's preprocessing (the "caffe" mode of Keras): values from 0 to 255,
    channels in reverse order, the means of ImageNet subtracted.

    Args:
      architecture: "vgg16" or "vgg19".
      layers: Names of layers, as in keras.applications: "block1_conv1" to "block5_conv3" (of vgg19
        "block5_conv4"), after their ReLU, and "block1_pool" to "block5_pool".
      weights: "imagenet", which Keras downloads once and caches; the path of a file with the
        weights of keras.applications.VGG16 or VGG19, with or without the top, as downloaded (.h5)
        or as written by save_weights (.weights.h5); or None for random weights.
      value_range: (low, high) of the images, such as (0, 1), (0, 255) or (-1, 1).
      data_format: That of the images, "channels_last" or "channels_first"; None means
        keras.config.image_data_format(). Features are channels_last.
      seed: For weights=None, which draws uniform kernels of variance 2 / fan_in, the same on every
        machine, and sets biases to 0.
      dtype: Keras dtype policy of the layers; None means the global one.
      name: Name of the model; None means that of the architecture.

    Returns:
      A keras.Model that maps RGB images [B, H, W, 3] (channels_first: [B, 3, H, W]), with H and W
      large enough for the deepest layer, to features [B, h, w, c], or to a list of features if
      there are several layers.

    Raises:
      ValueError: If an argument is not one of those allowed, a file does not have these weights, or
        the download fails; when the model is called in a graph, if images do not have 3 channels or
        are too small.
      tf.errors.InvalidArgumentError: The same of images in eager mode, or where the graph did not
        know the shape.

    Example:
      >>> extractor = gradops.vgg_features("vgg19", ["block1_conv2", "block2_conv2"], weights=None)
      >>> [features.shape for features in extractor(tf.zeros([1, 16, 24, 3]))]
      [TensorShape([1, 16, 24, 64]), TensorShape([1, 8, 12, 128])]

    Source: Simonyan and Zisserman 2015; keras.applications.vgg16; layers: Johnson et al. 2016.
    """
    calls.check_backend()
    checks.choice("architecture", architecture, tuple(BLOCKS))
    layers = _checked_layers(architecture, layers)
    low, high = checks.rising("value_range", value_range)
    data_format = checks.options(data_format=data_format)["data_format"]
    seed = checks.integer("seed", seed, 0)
    pixels = ImageNetPixels(low, high, least=_least_size(layers), data_format=data_format)
    images = keras.Input((None, None, None), dtype="float32", name="images")
    outputs = _network(architecture, pixels(images), layers, dtype)
    outputs = outputs[0] if len(outputs) == 1 else outputs
    model = keras.Model(images, outputs, name=name or architecture)
    convolutions = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    vgg_weights.fill(convolutions, architecture, _kernel_shapes(architecture), weights, seed)
    model.trainable = False
    if weights is None or weights == "imagenet":
        arguments = dict(
            architecture=architecture,
            layers=list(layers),
            weights=weights,
            value_range=[low, high],
            data_format=data_format,
            seed=seed,
            dtype=convolutions[0].dtype_policy.name,
            name=model.name,
        )
        _ORIGINS[model] = Origin(arguments, vgg_weights.digest(model.get_weights()))
    return model


def layer_names(architecture: str) -> tuple[str, ...]:
    """The names of all layers, from the first to the deepest."""
    names = []
    for block, count in enumerate(BLOCKS[architecture], 1):
        names += [f"block{block}_conv{i}" for i in range(1, count + 1)]
        names.append(f"block{block}_pool")
    return tuple(names)


def _network(
    architecture: str, features: Any, layers: tuple[str, ...], dtype: Any
) -> list[keras.KerasTensor]:
    """The outputs of the layers, in the order asked for; nothing deeper is built."""
    found: dict[str, Any] = {}
    for layer in layer_names(architecture):
        options = dict(padding="same", data_format="channels_last", dtype=dtype, name=layer)
        if layer.endswith("_pool"):
            features = keras.layers.MaxPooling2D(2, **{**options, "padding": "valid"})(features)
        else:
            width = _WIDTHS[_block(layer) - 1]
            features = keras.layers.Conv2D(width, 3, activation="relu", **options)(features)
        found[layer] = features
        if set(layers) <= set(found):
            break
    return [found[layer] for layer in layers]


def _kernel_shapes(architecture: str) -> list[tuple[int, ...]]:
    """The shapes of all kernels, from the first to the deepest."""
    widths = [
        width for width, n in zip(_WIDTHS, BLOCKS[architecture], strict=True) for _ in range(n)
    ]
    return [(3, 3, *pair) for pair in zip([3, *widths[:-1]], widths, strict=True)]


def _block(layer: str) -> int:
    return int(layer[len("block")])


def _least_size(layers: tuple[str, ...]) -> int:
    """The smallest height and width with which every layer has a pixel: each pool halves them."""
    return max(2 ** (_block(layer) - (not layer.endswith("_pool"))) for layer in layers)


def _checked_layers(architecture: str, layers: Sequence[str]) -> tuple[str, ...]:
    allowed = layer_names(architecture)
    if isinstance(layers, str) or not isinstance(layers, Sequence) or not layers:
        raise ValueError(f"layers must be a list of one or more names of layers, got {layers!r}")
    for layer in layers:
        if layer not in allowed:
            raise ValueError(
                f"layers must be of those of {architecture} ({', '.join(allowed)}), got {layer!r}"
            )
    return tuple(layers)


@keras.saving.register_keras_serializable(package="gradops")
class ImageNetPixels(keras.layers.Layer):
    """RGB images with values from low to high -> BGR from 0 to 255 minus the means of ImageNet.

    Results are float32 and channels_last. Raises if images do not have 3 channels, or have fewer
    than `least` rows or columns.
    """

    def __init__(
        self, low: float, high: float, *, least: int, data_format: str, name: str = "pixels"
    ):
        super().__init__(name=name, dtype="float32", trainable=False)
        self.low, self.high, self.least, self.data_format = low, high, least, data_format

    def call(self, images: tf.Tensor) -> tf.Tensor:
        """What VGG takes."""
        images = self._checked(images)
        scaled = (images - self.low) * (255 / (self.high - self.low))
        return tf.reverse(scaled, axis=[-1]) - tf.constant(_MEANS, scaled.dtype)

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        """[B, H, W, 3]."""
        first = 1 if self.data_format == "channels_last" else 2
        return (input_shape[0], *input_shape[first : first + 2], 3)

    def get_config(self) -> dict[str, Any]:
        """The arguments."""
        return {
            "low": self.low,
            "high": self.high,
            "least": self.least,
            "data_format": self.data_format,
            "name": self.name,
        }

    def _checked(self, images: tf.Tensor) -> tf.Tensor:
        """The images as channels_last, checked to have 3 channels and to be large enough."""
        message = (
            f"images of VGG must be {self.data_format}, of 3 channels (RGB) and at least "
            f"{self.least} rows and columns, which the deepest of its layers needs, got shape"
        )
        given = images
        if self.data_format == "channels_first":
            images = tf.transpose(images, [0, 2, 3, 1])
        sizes, channels = images.shape[1:3], images.shape[3]
        too_small = any(size is not None and size < self.least for size in sizes)
        if channels not in (None, 3) or too_small:
            raise shape_error(f"{message} {shape_text(given.shape)}")
        if None not in images.shape[1:]:
            return images
        shape = tf.shape(images)
        good = tf.logical_and(tf.equal(shape[3], 3), tf.reduce_min(shape[1:3]) >= self.least)
        images = with_assert(tf.debugging.Assert(good, [message, tf.shape(given)]), images)
        # XLA drops assertions but cannot cut more from an image than there is.
        whole = tf.maximum(shape, [0, self.least, self.least, 3])
        return tf.ensure_shape(tf.slice(images, [0, 0, 0, 0], whole), images.shape)
