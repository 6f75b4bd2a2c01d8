"""The whole family of the kernels: images for it, how to call it in every dtype, and the oracle.

Options are named as in the oracle (epsilon, delta, alpha). Images are given as real numbers; `call`
turns them into what `gradops._kernels` takes, bits for the narrow types.
"""

import functools
import itertools
import re
from typing import NamedTuple

import numpy as np
from family_options import PENALTIES, RESPONSES

from gradops import _kernels, reference
from gradops.reference.problem import Problem

try:
    from ml_dtypes import bfloat16
except ImportError:  # without TensorFlow
    bfloat16 = None

TWO_AXES = ["component", "absolute"]
# Curvatures that change slowly enough for float32, and no residual of `draw` is exactly delta.
TUNED = {
    "charbonnier": {"epsilon": 0.375},
    "huber": {"delta": 0.7},
    "log": {"epsilon": 0.875},
    "power": {"alpha": 2.5},
    "truncated": {"delta": 1.3},
}

NUMPY = {
    "float16": np.dtype("float16"),
    "bfloat16": bfloat16 and np.dtype(bfloat16),
    "float32": np.dtype("float32"),
    "float64": np.dtype("float64"),
}
DTYPES = list(NUMPY)
NARROW = DTYPES[:2]
COMPUTE = {"float16": "float32", "bfloat16": "float32", "float32": "float32", "float64": "float64"}


class Kernels:
    """The functions of a module like `gradops._kernels`, for images of one dtype."""

    def __init__(self, module, dtype):
        self._module, self._dtype = module, dtype

    def __getattr__(self, function):
        return functools.partial(getattr(self._module, function), dtype=self._dtype)


MODULES = {dtype: Kernels(_kernels, dtype) for dtype in DTYPES}
HALF_ULP = {"float16": 2.0**-11, "bfloat16": 2.0**-8, "float32": 2.0**-24, "float64": 2.0**-53}
SUBNORMAL = {
    "float16": 2.0**-24,
    "bfloat16": 2.0**-133,
    "float32": 2.0**-149,
    "float64": 5e-324,
}
EPSILON = {dtype: 2 * half for dtype, half in HALF_ULP.items()}


def smallest(stencil, border):
    """The smallest height and width."""
    if stencil in ("forward", "backward"):
        return 2 if border == "valid" else 1
    return {"reflect": 2, "valid": 3}.get(border, 1)


def encode(values, dtype):
    """Real numbers as the kernels take images of this dtype."""
    if dtype == "bfloat16":
        bits = np.asarray(values, "float32").view("uint32")
        rounded = (bits + 0x7FFF + (bits >> 16 & 1)) >> 16
        return np.ascontiguousarray(np.where(np.isnan(values), 0x7FC0, rounded).astype("uint16"))
    array = np.ascontiguousarray(np.asarray(values).astype(NUMPY[dtype]))
    return array.view("uint16") if dtype in NARROW else array


def decode(array, dtype):
    """What the kernels return, as float64."""
    if dtype in NARROW:
        assert array.dtype == "uint16"
    else:
        assert array.dtype == dtype
    if dtype == "bfloat16":
        return (array.astype("uint32") << 16).view("float32").astype("float64")
    return array.view(NUMPY[dtype]).astype("float64")


def generator(*seed):
    return np.random.default_rng([20240607, *seed])


def draw(rng, shape, dtype="float64"):
    """Multiples of a power of two, exact in the dtype, and so are their differences in float32."""
    if dtype in NARROW:
        return rng.integers(-127, 128, shape) / 16
    return rng.integers(-4096, 4097, shape) / 256


def noisy(rng, shape, dtype="float64"):
    """Numbers of as many digits as the dtype has."""
    return decode(encode(rng.standard_normal(shape), dtype), dtype)


def shifted(array, elements=1):
    """The same values in a C-contiguous array that starts that many elements into its buffer."""
    buffer = np.empty(array.size + elements, array.dtype)
    view = buffer[elements:].reshape(array.shape)
    view[...] = array
    return view


def first(images):
    """[B, H, W, C] as [B, C, H, W]."""
    return np.ascontiguousarray(np.moveaxis(images, 3, 1))


def kernel_options(options, dtype):
    result = {}
    for name, value in options.items():
        if name in ("epsilon", "delta", "alpha"):
            name = "penalty_parameter"
        elif name == "weights" and value is not None:
            value = np.ascontiguousarray(value, COMPUTE[dtype])
        result[name] = value
    return result


def call(function, *images, dtype, upstream=None, upstreams=(), coded=(), **options):
    """`_kernels.function` of images given as real numbers; returns its arrays as it does.

    What is in `coded` is given as the kernels take it.
    """
    arrays = [*coded, *(None if x is None else encode(x, dtype) for x in images)]
    if upstream is not None:
        upstreams = (upstream,)
    arrays += [np.asarray(x, COMPUTE[dtype]) for x in upstreams]
    return getattr(MODULES[dtype], function)(*arrays, **kernel_options(options, dtype))


def oracle(function):
    """The reference of an image function of the kernels."""
    return getattr(reference, re.sub("_grad$", "_gradient", function))


def assert_same_bits(actual, expected):
    assert (actual.dtype, actual.shape) == (expected.dtype, expected.shape)
    bits = f"u{actual.dtype.itemsize}"
    np.testing.assert_array_equal(actual.view(bits), expected.view(bits))


class Outcome(NamedTuple):
    """What a loss has; by_true is that of the kernels also where there is no y_true."""

    loss: np.ndarray
    gradient: np.ndarray
    by_true: np.ndarray
    by_pred: np.ndarray
    by_upstream: np.ndarray


class Example(NamedTuple):
    """Images, a vector and an upstream, which fit the options."""

    y_true: np.ndarray | None
    y_pred: np.ndarray
    vector: np.ndarray
    upstream: np.ndarray


def example(rng, shape, dtype="float64", options=None, draw=draw):
    """An example for images of this [B, H, W, C], in the data format of the options."""
    options = options or {}
    images = [draw(rng, shape, dtype) for _ in range(3)]
    if options.get("data_format") == "channels_first":
        images = [first(x) for x in images]
    axes = 2 if options.get("response", "component") in TWO_AXES else 1
    losses = (shape[0], axes) if options.get("normalizer") == "none" else shape[:1]
    upstream = rng.choice([-2.5, -1, -0.75, 0.5, 1.25, 3], losses)
    return Example(*images, upstream)


def run(data, dtype, threads=1, **options):
    """The kernels' outcome, with what must agree bit for bit checked."""
    y_true, y_pred, vector, upstream = data
    options = {"threads": threads, **options}
    images = {"dtype": dtype, **options}
    loss, gradient = call("loss_memo", y_true, y_pred, upstream=upstream, **images)
    assert_same_bits(call("loss", y_true, y_pred, **images), loss)
    second = call("loss_grad_grad", y_true, y_pred, vector, upstream=upstream, **images)
    assert loss.dtype == second[2].dtype == COMPUTE[dtype]
    by_true, by_pred = (decode(x, dtype) for x in second[:2])
    return Outcome(
        loss.astype("float64"),
        decode(gradient, dtype),
        by_true,
        by_pred,
        second[2].astype("float64"),
    )


def expect(data, **options):
    """The oracle's outcome."""
    y_true, y_pred, vector, upstream = data
    if options.get("normalizer") == "none":
        return expect_sums(data, **options)
    loss = reference.gradient_loss(y_true, y_pred, **options)
    _, gradient = reference.loss_gradients(y_true, y_pred, upstream, **options)
    second = reference.hessian_vector_product(y_true, y_pred, vector, upstream, **options)
    return Outcome(loss, gradient, *second)


@np.errstate(all="ignore")
def expect_sums(data, **options):
    y_true, y_pred, vector, upstream = data
    del options["normalizer"]
    loss, _ = reference.gradient_sums(y_true, y_pred, **options)
    _, gradient = reference.sums_gradients(y_true, y_pred, upstream, **options)
    problem = Problem(y_true, y_pred, **options)
    by_true, by_pred, _ = problem.hessian_vector_products(
        problem.like_images("vector", vector), upstream
    )
    along = np.zeros(upstream.shape)
    for k in range(upstream.shape[1]):
        one = np.zeros(upstream.shape)
        one[:, k] = 1
        _, slope = reference.sums_gradients(y_true, y_pred, one, **options)
        along[:, k] = np.sum(slope * vector, axis=(1, 2, 3))
    return Outcome(loss, gradient, None if y_true is None else by_true, by_pred, along)


def penalties():
    """Every penalty with its parameter, as options."""
    return [{"penalty": penalty, **TUNED.get(penalty, {})} for penalty in PENALTIES]


def members():
    """Every response and penalty, as options."""
    for response, penalty in itertools.product(RESPONSES, penalties()):
        yield {"response": response, **penalty}
