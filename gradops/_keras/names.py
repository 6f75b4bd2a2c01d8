"""Registers what is public with Keras, which finds it by name when it loads a model."""

from __future__ import annotations

import inspect
from types import ModuleType

import keras


def register_public(module: ModuleType) -> None:
    """Registers the classes in __all__, and the functions, which models may use as losses too."""
    for name in module.__all__:
        item = getattr(module, name)
        if inspect.isfunction(item) or inspect.isclass(item):
            keras.saving.register_keras_serializable(module.__name__, name)(item)
