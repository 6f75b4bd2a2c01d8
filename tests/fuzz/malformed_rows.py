"""What makes a call malformed, as data: arrays, options, and what only one front end takes.

A row that changes an array says nothing about validity: `malformed_calls.fits` decides that.
"""

import json

import numpy as np

HUGE = [2**31 - 1, 2**31, 2**32 + 1, 2**40, 2**60, 2**62]
WRONG_TYPES = "float16 float32 float64 int32 uint16 uint32 uint8 complex64 bool longdouble O S4 U3"
MEBIBYTE = 2**20


def resized(x, shape):
    return np.resize(x, shape).copy()


def with_size(x, rng, change):
    """With the size of one axis changed."""
    if x.ndim == 0:
        return x[None]
    shape = list(x.shape)
    axis = rng.integers(x.ndim)
    shape[axis] = max(0, change(shape[axis]))
    return resized(x, shape)


def huge_and_empty(x, rng):
    """With one axis of huge size, and one of none so that there are no elements."""
    shape = [0, *x.shape[1:]] if x.ndim else [0]
    shape[rng.integers(len(shape))] = HUGE[rng.integers(len(HUGE) - 1)]
    if 0 not in shape:
        shape.append(0)
    try:
        return np.zeros(shape, x.dtype)
    except ValueError:  # NumPy wants the product of the other sizes to be a size
        return np.zeros([2**31, 0], x.dtype)


def huge_without_memory(x, rng):
    """A view of one element under a huge shape."""
    shape = list(x.shape) or [1]
    shape[rng.integers(len(shape))] = 2 ** int(rng.integers(36, 41))
    return np.lib.stride_tricks.as_strided(np.ones(1, x.dtype), shape, [0] * len(shape))


def misaligned(x):
    buffer = np.zeros(x.nbytes + 64, "uint8")
    view = buffer[1 : 1 + x.nbytes].view(x.dtype).reshape(x.shape)
    view[...] = x
    return view


def every_other(x):
    return x[None][:, None] if x.ndim == 0 else np.repeat(x, 2, -1)[..., ::2]


def read_only(x):
    x = x.copy()
    x.flags.writeable = False
    return x


def of_type(x, rng):
    names = WRONG_TYPES.split()
    return np.zeros(x.shape, names[rng.integers(len(names))])


# {what: function of an array and a generator}.
ARRAYS = {
    "rank below": lambda x, rng: resized(x, x.shape[1:]),
    "rank above": lambda x, rng: x[None],
    "rank 0": lambda x, rng: resized(x, ()),
    "rank 1": lambda x, rng: x.reshape(-1),
    "rank 9": lambda x, rng: x.reshape((1,) * (9 - x.ndim) + x.shape),
    "rank 32": lambda x, rng: x.reshape((1,) * (32 - x.ndim) + x.shape),
    "one more": lambda x, rng: with_size(x, rng, lambda size: size + 1),
    "one less": lambda x, rng: with_size(x, rng, lambda size: size - 1),
    "size 0": lambda x, rng: with_size(x, rng, lambda size: 0),
    "size 1": lambda x, rng: with_size(x, rng, lambda size: 1),
    "axes reversed": lambda x, rng: np.ascontiguousarray(x.T),
    "empty": lambda x, rng: np.zeros([0], x.dtype),
    "huge and empty": huge_and_empty,
    "huge without memory": huge_without_memory,
    "type": of_type,
    "type ": of_type,  # twice as often
    "byte-swapped": lambda x, rng: x.astype(x.dtype.newbyteorder("S")),
    "record": lambda x, rng: np.zeros(x.shape, [("x", x.dtype)]),
    "read-only": lambda x, rng: read_only(x),
    "misaligned": lambda x, rng: misaligned(x),
    "Fortran": lambda x, rng: np.asfortranarray(x),
    "every other": lambda x, rng: every_other(x),
    "backwards": lambda x, rng: np.flip(x),
    "broadcast": lambda x, rng: np.broadcast_to(x[:1] if x.ndim else x, x.shape),
    "none": lambda x, rng: None,
    "list": lambda x, rng: x.tolist(),
    "ragged": lambda x, rng: [[1.0], [1.0, 2.0]],
    "number": lambda x, rng: 1.0,
    "scalar of NumPy": lambda x, rng: np.float32(1),
    "text": lambda x, rng: "y_pred",
    "bytes": lambda x, rng: b"\xff\x00",
    "memory": lambda x, rng: memoryview(np.ascontiguousarray(x).view("uint8")) if x.ndim else None,
    "object": lambda x, rng: object(),
    "NaN": lambda x, rng: float("nan"),
    "class": lambda x, rng: np.ndarray,
}

# Bytes of bools that are neither 0 nor 1, as a file or a view may hold; valid.
WILD = [2, 7, 0x80, 0xFF]

# {what: value by size of the type} of one weight; and of all weights: out of range.
ONE_WEIGHT = {"NaN": np.nan, "-NaN": -np.nan, "negative": -1.0, "tiny negative": -5e-324}
ONE_WEIGHT |= {"infinite": np.inf, "negative infinite": -np.inf, "too large": {4: 1e20, 8: 1e151}}
ALL_WEIGHTS = {"too small": {4: 1e-32, 8: 1e-292}, "subnormal": {4: 1e-42, 8: 1e-310}}

# Values of every option that no op takes.
NO_TEXT = [3.5, -1, float("nan"), True, [], ["l1"], {}, object(), b"\xff\xfe", b"\x00", "\x00"]
NO_TEXT += ["none\x00", "\udc80", "x" * MEBIBYTE, "${PATH}", "%s%n", '"}', "\u00b2", np.zeros(2)]
NO_CHOICE = ["", " ", "L1", "l3", "Sobel", "reflect ", "channels-last", "'l1'", "0", "-1"]
NO_NUMBER = ["nan", "-nan", "inf", "-inf", "1e999", "-1e999", "-1", "0x10", "1,5", "1_0", "e", "1e"]
NO_NUMBER += [" 1", "\n1", "\t1", "1 ", "1\n"]
NO_NUMBER += ["--1", "1 2", "1.2.3", "1f", "1j", "infinity", "\u221e", "9" * MEBIBYTE, ".", "-"]
NO_WEIGHTS = [
    "1,",
    "1,1,",
    "1,\n1",
    " 1",
    "nan",
    "-1",
    "1,,2",
    ",",
    "1,nan",
    "1,inf",
    "1;2",
    ",".join(["1"] * 17),
    "1,-1",
]
NO_WEIGHTS += [",".join(["1"] * 1000), "1,1e999", "[1,2]", "1,0x1", "1, ", "," * MEBIBYTE]
OPTIONS = {
    "penalty_parameter": [*NO_NUMBER, "0", "-0", "0." + "0" * MEBIBYTE],
    "response_epsilon": NO_NUMBER,
    "pixel_weight": NO_NUMBER,
    "scale_weights": NO_WEIGHTS,
    "site": ["-1", "+1", "0x10", "1.0", "a", " 1", "1\n", "1,2", "1" * 10, "9" * MEBIBYTE],
}
# Of the module for NumPy.
THREADS = [0, 2**31 - 1, None]
NO_THREADS = [
    -1,
    -(2**31),
    2**31,
    2**40,
    -(2**63),
    2**64,
    1.5,
    "2",
    float("nan"),
    [],
    object(),
    b"1",
    np.zeros(3),
]
NO_DTYPES = [
    "int32",
    "",
    "float8",
    "Float32",
    " float32",
    "float32\x00",
    "\udc80",
    "f4",
    3,
    [],
    b"f",
]
NO_DTYPES += [np.float32, object(), "x" * MEBIBYTE]
NO_NAMES = ["penalti", "", "y", "Penalty", "self", "args", "\x00", "\udc80", "x" * MEBIBYTE]


def brief(value):
    """A value on one line of a report."""
    text = f"{value.dtype}{list(value.shape)}" if isinstance(value, np.ndarray) else repr(value)
    return json.dumps(text if len(text) < 60 else f"{text[:40]}... of {len(text)}")
