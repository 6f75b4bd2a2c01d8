"""Registers the public functions with Keras, which finds them by name when it loads a model."""

from __future__ import annotations

import inspect
from types import ModuleType

import keras


def register_functions(module: ModuleType) -> None:
    """Registers the functions in __all__, which may be losses, metrics or used in Lambda layers."""
    for name in module.__all__:
        function = getattr(module, name)
        if inspect.isfunction(function):
            keras.saving.register_keras_serializable(module.__name__, name)(function)
