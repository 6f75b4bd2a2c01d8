"""Guards against tf_keras (Keras 2), which takes losses and metrics of Keras 3 for functions.

It would call a loss without its sample weights and multiply the reduced value with them. So the
objects raise an error as soon as it asks for their name or variables.
"""

from __future__ import annotations

import sys
from typing import Any

_PACKAGE = "tf_keras"


class NotOfLegacyKeras:
    """Makes a loss or metric raise ValueError when tf_keras uses it.

    Derived classes say in `functional_form` which function to use there instead.
    """

    functional_form: str

    @property
    def name(self) -> str:
        self._check_caller()
        return self._own_name

    @name.setter
    def name(self, name: str) -> None:
        self._own_name = name

    @property
    def variables(self) -> Any:
        """The variables of a metric."""
        self._check_caller()
        return super().variables  # type: ignore[misc]

    def _check_caller(self) -> None:
        """Raises if the caller of the caller is tf_keras."""
        module = sys._getframe(2).f_globals.get("__name__", "")
        if module.split(".")[0] == _PACKAGE:
            raise ValueError(
                f"losses and metrics of tf_keras (Keras 2) must be functions or its own objects, "
                f"got a {type(self).__name__}, which is one of Keras 3; pass a function instead: "
                f"{self.functional_form}"
            )
