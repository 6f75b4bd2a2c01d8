"""The public functions under names that Keras finds again when it loads a model."""

from __future__ import annotations

import inspect
from types import ModuleType

import keras


def register_functions(module: ModuleType) -> None:
    """Registers the functions of __all__, as losses, metrics or in Lambda layers, by the module."""
    for name in module.__all__:
        function = getattr(module, name)
        if inspect.isfunction(function):
            keras.saving.register_keras_serializable(module.__name__, name)(function)
