"""The losses composed of public TensorFlow ops, as users write them today.

    r = R(S_y p, S_x p) - R(S_y t, S_x t)                 residuals of a response R
    L_b = sum of w rho(r) / D_b                           over the counted residuals of example b

The functions have the names, arguments, checks and (up to rounding) results of those of gradops,
but what computes shares no code with the kernels or with `gradops.reference`. Gradients are
TensorFlow's own, of any order. Results differ from `gradops.reference` in two ways:

- The default stencil, border, scale and response without weights and mask, in channels_last, is
  `tf.image.sobel_edges`: a convolution that also multiplies its zero taps, so a NaN or Inf reaches
  more pixels. (Where a graph does not know B, it is the same convolution, which allows B = 0.)
- Second derivatives of NaN residuals are not always NaN.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from gradops import _backend, functional, images
from gradops._composite.penalties import PENALTIES
from gradops._composite.problem import NORMALIZERS
from gradops._composite.responses import RESPONSES
from gradops._composite.stencils import BORDERS, DATA_FORMATS, SCALES, STENCILS
from gradops._inputs.levels import DOWNSAMPLES
from gradops.functional import REDUCTIONS

__all__ = [
    "BORDERS",
    "DATA_FORMATS",
    "DOWNSAMPLES",
    "NORMALIZERS",
    "PENALTIES",
    "REDUCTIONS",
    "RESPONSES",
    "SCALES",
    "STENCILS",
    "gradient_loss",
    "gradient_magnitude",
    "gradient_sums",
    "image_gradients",
    "sobel_edges",
    "value_and_gradient",
]

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


def _composed(function: Callable[_Arguments, _Result]) -> Callable[_Arguments, _Result]:
    """The function, computed by the composition whichever backend is in use."""

    @functools.wraps(function)
    def composed(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> _Result:
        with _backend.composed():
            return function(*args, **kwargs)

    composed.__module__ = __name__
    return composed


gradient_loss = _composed(functional.gradient_loss)
value_and_gradient = _composed(functional.value_and_gradient)
gradient_sums = _composed(functional.gradient_sums)
image_gradients = _composed(images.image_gradients)
gradient_magnitude = _composed(images.gradient_magnitude)
sobel_edges = _composed(images.sobel_edges)
