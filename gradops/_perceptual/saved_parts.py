"""Saves parts of a loss in its configuration: networks with their weights, losses and functions.

The configuration of a Keras model does not include weights: a model made from it would have others.
So it is saved here with its weights, or with the arguments that make the same weights again.
"""

from __future__ import annotations

import base64
import inspect
import io
from typing import Any

import keras
import numpy as np

from gradops import vgg
from gradops._perceptual import vgg_weights


def save(argument: str, part: Any) -> Any:
    """A part as JSON, for `load`; raises ValueError if it cannot be saved."""
    if part is None or isinstance(part, str):
        return part
    origin = vgg.origin(part) if isinstance(part, keras.Model) else None
    if origin is not None:
        return {"vgg_features": origin.arguments, "digest": origin.digest}
    if not isinstance(part, keras.Layer):
        _check_registered(argument, part)
    try:
        found = keras.saving.serialize_keras_object(part)
    except (NotImplementedError, TypeError, ValueError) as error:
        raise ValueError(f"{argument} {part!r} cannot be saved: {error}") from error
    if not isinstance(part, keras.Layer):
        return {"object": found}
    found.pop("compile_config", None)  # how the network itself was trained
    return {"object": found, "weights": _as_text(part.get_weights())}


def load(argument: str, saved: Any) -> Any:
    """The part that `save` saved; raises ValueError if it cannot be made the same again."""
    if not isinstance(saved, dict):
        return saved
    if "vgg_features" in saved:
        model = vgg.vgg_features(**saved["vgg_features"])
        if vgg_weights.digest(model.get_weights()) != saved["digest"]:
            raise ValueError(
                f"{argument}: the weights that vgg_features gives here are not those that it gave "
                "when the loss was saved; load the model with compile=False and compile it again"
            )
        return model
    part = keras.saving.deserialize_keras_object(saved["object"])
    if "weights" in saved:
        try:
            part.set_weights(_from_text(saved["weights"]))
        except ValueError as error:
            raise ValueError(f"{argument}: the weights do not fit {part!r}: {error}") from error
    return part


def _check_registered(argument: str, part: Any) -> None:
    """Raises ValueError unless Keras knows the function, or the class of the object, by name."""
    owner = part if inspect.isfunction(part) else type(part)
    name = keras.saving.get_registered_name(owner)
    if keras.saving.get_registered_object(name) is owner:
        return
    if owner.__module__.split(".")[0] == "keras" and isinstance(part, keras.losses.Loss):
        return
    raise ValueError(
        f"{argument} {part!r} cannot be saved, as Keras does not know it by name: decorate "
        f"{owner.__qualname__} with @keras.saving.register_keras_serializable()"
    )


def _as_text(weights: list[np.ndarray]) -> str:
    """NumPy's file format in base64; bfloat16, which that lacks, is saved as float32."""
    known = [w.astype(np.float32) if w.dtype.kind == "V" else w for w in weights]
    file = io.BytesIO()
    np.savez(file, *known)
    return base64.b64encode(file.getvalue()).decode("ascii")


def _from_text(text: str) -> list[np.ndarray]:
    with np.load(io.BytesIO(base64.b64decode(text)), allow_pickle=False) as arrays:
        return [arrays[f"arr_{i}"] for i in range(len(arrays.files))]
