"""The weights of VGG: random, those of ImageNet, or from a file."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
import numpy as np


class Convolution(NamedTuple):
    """The weights of a convolution."""

    kernel: np.ndarray
    bias: np.ndarray


def digest(weights: Sequence[np.ndarray]) -> str:
    """A hash of weights, with their dtypes and shapes."""
    found = hashlib.sha256()
    for values in weights:
        found.update(f"{values.dtype}{values.shape}".encode())
        found.update(np.ascontiguousarray(values).tobytes())
    return found.hexdigest()


def fill(
    layers: Sequence[keras.layers.Conv2D],
    architecture: str,
    shapes: Sequence[tuple[int, ...]],
    source: str | os.PathLike | None,
    seed: int,
) -> None:
    """Sets the weights of the architecture's first convolutions, which are the layers.

    Arguments: see gradops.vgg_features, whose `weights` are the source; shapes are those of all
    kernels of the architecture. Raises ValueError if the source does not have these weights.
    """
    if source is None:
        rng = np.random.default_rng(seed)
        for layer in layers:
            kernel, bias = layer.get_weights()
            layer.set_weights([_random_kernel(kernel.shape, rng), np.zeros_like(bias)])
        return
    found = _imagenet(architecture) if source == "imagenet" else _read(architecture, source)
    got = [convolution.kernel.shape for convolution in found]
    # All kernels are compared: another architecture may have the same first ones.
    if len(got) < len(layers) or got != list(shapes[: len(got)]):
        raise ValueError(
            f"weights must hold the first {len(layers)} of the {len(shapes)} convolutions of "
            f"{architecture} or more, got {os.fspath(source)!r} with {len(got)}, of kernels {got}"
        )
    for layer, convolution in zip(layers, found, strict=False):
        layer.set_weights(convolution)


def _random_kernel(shape: Sequence[int], rng: np.random.Generator) -> np.ndarray:
    """Uniform values of variance 2 / fan_in, with which features keep their scale over layers."""
    limit = np.sqrt(6 / np.prod(shape[:-1]))
    return rng.uniform(-limit, limit, shape)


def _imagenet(architecture: str) -> list[Convolution]:
    build = {"vgg16": keras.applications.VGG16, "vgg19": keras.applications.VGG19}[architecture]
    try:
        model = build(weights="imagenet", include_top=False)
    except Exception as error:  # whatever the download raises
        raise ValueError(
            f"weights='imagenet': Keras could not get the weights of {architecture} "
            f"({type(error).__name__}: {error}). Without a network, pass the path of "
            f"{architecture}_weights_tf_dim_ordering_tf_kernels_notop.h5, from another machine's "
            "~/.keras/models, or put that file there"
        ) from error
    weights = [layer.get_weights() for layer in model.layers]
    return [Convolution(*pair) for pair in weights if pair]


def _read(architecture: str, source: Any) -> list[Convolution]:
    try:
        path = os.fspath(source)
    except TypeError:
        raise ValueError(
            f"weights must be 'imagenet', None or the path of a file, got {source!r}"
        ) from None
    if not os.path.isfile(path):
        raise ValueError(
            f"weights must be 'imagenet', None or the path of a file, got {path!r}, which is none"
        )
    import h5py  # comes with Keras

    try:
        with h5py.File(path, "r") as file:
            root = file.get("model_weights", file)
            found = _of_keras_2(root) if "layer_names" in root.attrs else _of_keras_3(root)
    except (OSError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise ValueError(
            f"weights must be a file of the weights of {architecture} by Keras, got {path!r}: "
            f"{type(error).__name__}: {error}"
        ) from error
    return found


def _of_keras_2(root: Any) -> list[Convolution]:
    """Convolutions from layers by name, in their order. The layers of the top are skipped."""
    found = []
    for name in _names(root.attrs["layer_names"]):
        weights = [root[name][each][()] for each in _names(root[name].attrs["weight_names"])]
        if weights and weights[0].ndim == 4:
            found.append(Convolution(*weights))
    return found


def _of_keras_3(root: Any) -> list[Convolution]:
    """Convolutions by their number: conv2d, conv2d_1, conv2d_2, ..."""
    groups = {}
    for name, group in root["layers"].items():
        matched = re.fullmatch(r"conv2d(?:_(\d+))?", name)
        if matched:
            groups[int(matched[1] or 0)] = group["vars"]
    return [Convolution(groups[n]["0"][()], groups[n]["1"][()]) for n in sorted(groups)]


def _names(values: Any) -> list[str]:
    return [name.decode() if isinstance(name, bytes) else name for name in values]
