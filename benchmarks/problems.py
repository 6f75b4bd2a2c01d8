"""What is computed: two images, the options of the loss and, perhaps, weights and a mask."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import tensorflow as tf

Shape = tuple[int, ...]
Tensors = tuple["tf.Tensor", "tf.Tensor", "tf.Tensor | None", "tf.Tensor | None"]

#: The options that a problem's label always names, with their defaults.
NAMED = MappingProxyType({"stencil": "sobel", "response": "component", "penalty": "l1"})
LOSS_SCALE = 32768.0  # The one that Keras' mixed precision begins with.
_ALIGNMENT = 64  # Bytes, a cache line; TensorFlow's own.
_LEVELS = 256
_VALID = 0.95  # The share of valid pixels in a mask; drawn one by one, the hardest kind to predict.


@dataclasses.dataclass(frozen=True, eq=False)
class Problem:
    """Two images [B, H, W, C], and what to compute of them."""

    y_true: np.ndarray
    y_pred: np.ndarray
    #: Keyword arguments of gradops.gradient_loss.
    options: Mapping[str, Any] = dataclasses.field(default_factory=lambda: NAMED)
    weights: np.ndarray | None = None
    mask: np.ndarray | None = None
    threads: int = 0  # For the kernels without TensorFlow; 0 means one per core.
    #: What a call computes in, if its arrays hold the same numbers in a narrower dtype.
    narrowed_to: str = ""
    seeded: bool = False  # Whether the arrays are those of `make_problem`.

    @property
    def key(self) -> tuple[Any, ...] | None:
        """Problems of the same key, other than None, have the same losses in any dtype."""
        maps = (self.weights is not None, self.mask is not None)
        return (self.shape, tuple(sorted(self.options.items())), *maps) if self.seeded else None

    @property
    def shape(self) -> Shape:
        """[B, H, W, C]."""
        return self.y_pred.shape

    @property
    def dtype(self) -> str:
        """Such as "float32"."""
        return self.narrowed_to or self.y_pred.dtype.name

    @property
    def nbytes(self) -> int:
        """The bytes of one image tensor in that dtype."""
        return math.prod(self.shape) * (2 if self.narrowed_to else self.y_pred.itemsize)

    @property
    def loss_scale(self) -> float:
        """What the loss is multiplied by: without it gradients in float16 would vanish."""
        return LOSS_SCALE if self.narrowed_to == "float16" else 1.0

    @property
    def label(self) -> str:
        """Such as "sobel/component/l1 mask"."""
        weights = ""
        if self.weights is not None:
            weights = "weights per channel" if self.weights.shape[-1] > 1 else "weights"
        return label(self.options, weights, self.mask is not None)

    @property
    def maps(self) -> dict[str, np.ndarray | None]:
        """Keyword arguments of gradops.gradient_loss besides the options."""
        return {"weights": self.weights, "mask": self.mask}

    @functools.cached_property
    def tensors(self) -> Tensors:
        """(y_true, y_pred, weights, mask)."""
        import tensorflow as tf

        maps = (None if m is None else tf.constant(m) for m in (self.weights, self.mask))
        weights, mask = maps
        return tf.constant(self.y_true), tf.constant(self.y_pred), weights, mask

    @functools.cached_property
    def out(self) -> np.ndarray:
        """A buffer for the gradient, its pages already touched."""
        out = _aligned_empty(self.y_pred.shape, self.y_pred.dtype)
        out.fill(0)
        return out

    def at(self, shape: Shape) -> Problem:
        """The like of this one at another shape."""
        has_weights, has_mask = self.weights is not None, self.mask is not None
        dtype = self.y_pred.dtype.name
        problem = make_problem(shape, dtype, self.options, weights=has_weights, mask=has_mask)
        return dataclasses.replace(problem, narrowed_to=self.narrowed_to)

    def with_options(self, **options: Any) -> Problem:
        """The same arrays, also the gradient's buffer, with these options on top of `NAMED`."""
        problem = dataclasses.replace(self, options={**NAMED, **options})
        problem.__dict__["out"] = self.out
        return problem


def make_problem(
    shape: Shape,
    dtype: str = "float32",
    options: Mapping[str, Any] = NAMED,
    *,
    weights: bool = False,
    mask: bool = False,
    threads: int = 0,
) -> Problem:
    """Random images, the same at every call and in every dtype.

    Values are multiples of 1/256 in [0, 1), those of 8-bit images: every dtype holds them, and
    every gradient of a stencil is then exact in float32, in any order of summation, so that
    rounding cannot turn the sign of a small residual, which is its l1 slope.

    Args:
        shape: [B, H, W, C].
        dtype: Of the images.
        options: Keyword arguments of gradops.gradient_loss; `NAMED` are the defaults.
        weights: Whether there are weights, [B, H, W, 1].
        mask: Whether there is a mask, [B, H, W, 1].
        threads: Of the kernels without TensorFlow; 0 means one per core.
    """
    options = {**NAMED, **options}
    generator = np.random.default_rng(20240229)
    number = _number(dtype)

    def image() -> np.ndarray:
        image = _aligned_empty(shape, number)
        image[...] = generator.integers(_LEVELS, size=shape, dtype=np.uint16)
        image /= number.type(_LEVELS)
        return image

    t, p = image(), image()
    pixels = (*shape[:3], 1)
    of_loss = np.float64 if dtype == "float64" else np.float32
    w = (generator.integers(1, 9, size=pixels) / 8).astype(of_loss) if weights else None
    m = generator.random(pixels, np.float32) < _VALID if mask else None
    return Problem(t, p, options, w, m, threads, seeded=True)


def label(options: Mapping[str, Any], weights: str = "", mask: bool = False) -> str:
    """Such as "scharr/component/power alpha=4 mask"."""
    words = ["/".join(str(options[name]) for name in NAMED)]
    words += [f"{name}={value}" for name, value in options.items() if name not in NAMED]
    words += [weights] * bool(weights) + ["mask"] * mask
    return " ".join(words)


def format_shape(shape: Shape) -> str:
    """Such as 16x512x512x3."""
    return "x".join(map(str, shape))


def _number(dtype: str) -> np.dtype:
    if dtype == "bfloat16":
        import ml_dtypes  # TensorFlow's own bfloat16.

        return np.dtype(ml_dtypes.bfloat16)
    return np.dtype(dtype)


def _aligned_empty(shape: Shape, dtype: np.dtype) -> np.ndarray:
    size = math.prod(shape) * dtype.itemsize
    buffer = np.empty(size + _ALIGNMENT, np.uint8)
    start = -buffer.ctypes.data % _ALIGNMENT
    return buffer[start : start + size].view(dtype).reshape(shape)
