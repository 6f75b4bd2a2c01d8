"""Calls of every op of the table, and which of them are valid.

`fits` is typed from docs/design.md, not from csrc/op/check.cc: it says whether arrays have types,
shapes and memory that an op takes.
"""

import dataclasses
import re
from typing import Any

import numpy as np
from family_tools import COMPUTE, DTYPES, NUMPY, TWO_AXES, smallest

from gradops import _kernels, _library

OPTIONAL = ("y_true", "weights", "mask", "memo", "weights_memo")
TEXTS = {
    "penalty_parameter": ["", "1", "2.5", "+1e0"],
    "response_epsilon": ["", "0", ".5"],
    "pixel_weight": ["", "0", "0.25"],
    "scale_weights": ["", "1", "0,2", "1,0.5"],
    "site": ["", "0", "123456789"],
}
TYPES = [dtype for dtype in DTYPES if NUMPY[dtype] is not None]


@dataclasses.dataclass
class Call:
    """A call of an op by name; an input that is None is not given."""

    op: str
    inputs: dict[str, Any]
    options: dict[str, Any]
    extras: dict[str, Any]  # of one front end alone: threads, dtype and outputs; wants_true

    @property
    def row(self):
        return _library.op_table()[self.op]

    @property
    def function(self):
        """The name of the op as a function."""
        return re.sub("(?<!^)(?=[A-Z])", "_", self.op).lower()

    @property
    def wants_weights(self):
        return "weights" in self.row.outputs.values()


def components(options):
    joint = options.get("response", "component") not in TWO_AXES
    return 1 if joint else 2


def shape_of(rule, images, options, per_pixel=True):
    """The shape of an argument for images of this shape."""
    maps = list(images)
    if per_pixel:
        maps[channel_axis(options)] = 1
    losses = (images[0],)
    by_axis = (images[0], components(options))
    return {
        "images": images,
        "gradients": (*images, 2),
        "map": tuple(maps),
        "weights": tuple(maps),
        "losses": by_axis if options.get("normalizer") == "none" else losses,
        "counts": by_axis,
    }[rule]


def channel_axis(options):
    return 1 if options["data_format"] == "channels_first" else 3


def draw_options(rng, names):
    """Valid values of some of these options."""
    choices = _kernels.options()
    options = {}
    for name in names:
        if name == "data_format" or rng.random() < 0.4:
            options[name] = str(rng.choice(choices.get(name) or TEXTS[name]))
    if options.get("normalizer") == "none":
        options.pop("scale_weights", None)
        options.pop("pixel_weight", None)
    return options


def draw(rng, op, dtype=None, huge=False):
    """A valid call; with huge sizes and no elements, if that is asked for."""
    row = _library.op_table()[op]
    dtype = dtype or str(rng.choice(TYPES))
    options = draw_options(rng, row.options)
    sizes = [rng.choice([0, 1, 2, 3], p=[0.05, 0.25, 0.4, 0.3]), *rng.integers(6, 10, 2)]
    images = [*sizes, rng.choice([0, 1, 3], p=[0.05, 0.45, 0.5])]
    if huge:
        empty = rng.integers(4)
        images[empty] = 0
        images[(empty + rng.integers(1, 4)) % 4] = huge
    if options["data_format"] == "channels_first":
        images.insert(1, images.pop())
    images = tuple(int(size) for size in images)
    per_pixel = not huge and rng.random() < 0.5  # maps of one channel would need memory
    inputs = {}
    for name, rule in row.inputs.items():
        wanted = name == "weights" and "weights" in row.outputs.values()
        if name in OPTIONAL and not wanted and rng.random() < 0.4:
            inputs[name] = None
            continue
        shape = shape_of(rule, images, options, per_pixel)
        if rule == "losses" and (huge or rng.random() < 0.2):
            shape = ()
        inputs[name] = numbers(rng, name, rule, shape, dtype)
    return Call(op, inputs, options, {})


def numbers(rng, name, rule, shape, dtype):
    if np.prod([float(size) for size in shape]) > 1e6:
        # Of losses and maps: memory that is reserved and not touched, or refused by NumPy.
        return np.zeros(shape, COMPUTE[dtype] if name != "mask" else bool)
    if name == "mask":
        return rng.random(shape) < 0.8
    if rule == "map" or name == "weights_memo":
        return np.asarray(rng.uniform(0.1, 2, shape), COMPUTE[dtype])
    values = rng.integers(-64, 65, shape) / 16
    return np.asarray(values, COMPUTE[dtype] if rule in ("losses", "counts") else NUMPY[dtype])


def fits(call, options, *, tensors):
    """Whether the arrays of a call are valid for these options: True, False, or None if unsaid.

    TensorFlow makes tensors of what is no array, or is not dense, by rules of its own.
    """
    sizes, unsaid = {}, False
    for name, x in call.inputs.items():
        if x is None:
            continue
        if not isinstance(x, np.ndarray):
            if not tensors:
                return False
            unsaid = True
            continue
        if not tensors and not (x.flags.c_contiguous and x.flags.aligned):
            return False
        if tensors and (x.dtype.kind in "OV" and x.dtype != NUMPY["bfloat16"]):
            unsaid = True
        if tensors and not x.dtype.isnative:
            unsaid = True
        sizes[name] = x.shape
    if unsaid:
        return None
    for name, rule in call.row.inputs.items():
        if sizes.get(name, (0,)) != (0,) or name in OPTIONAL:
            continue
        # Losses of a batch of none are what stands for an input that is not given.
        if rule != "losses" or (name not in sizes and not tensors):
            return False
        sizes[name] = (0,)
    if call.wants_weights and sizes.get("weights", (0,)) == (0,):
        return False
    return types_fit(call, sizes) and shapes_fit(call, sizes, options)


def types_fit(call, sizes):
    dtype = str(call.inputs[call.row.images].dtype)
    if dtype not in TYPES:
        return False
    for name in sizes:
        if call.inputs[name] is None:
            continue
        rule = call.row.inputs[name]
        wanted = dtype if rule in ("images", "gradients") else COMPUTE[dtype]
        if str(call.inputs[name].dtype) != ("bool" if name == "mask" else wanted):
            return False
    return True


def shapes_fit(call, sizes, options):
    images = sizes[call.row.images]
    if call.row.inputs[call.row.images] == "gradients":
        if images[-1:] != (2,):
            return False
        images = images[:-1]
    if len(images) != 4:
        return False
    for name, shape in sizes.items():
        rule = call.row.inputs[name]
        if shape == (0,) and name in OPTIONAL:
            continue
        allowed = [shape_of(rule, images, options, per_pixel) for per_pixel in (True, False)]
        if rule == "losses":
            allowed.append(())
        if rule == "weights":
            allowed = [sizes["weights"]]
        if shape not in allowed:
            return False
    height, width = images[2:] if channel_axis(options) == 1 else images[1:3]
    return min(height, width) >= least_size(options)


def least_size(options):
    size = smallest(options.get("stencil", "sobel"), options.get("border", "reflect"))
    halvings = options.get("scale_weights", "").count(",")
    if options.get("downsample", "stride") == "average":
        return size * 2**halvings
    return (size - 1) * 2**halvings + 1


def clean(call, options):
    """The results of a valid call with copies of its arrays, by the module for NumPy."""
    arrays = {name: copied(name, x) for name, x in call.inputs.items()}
    for name, x in arrays.items():
        if x is None and name not in OPTIONAL:  # an empty tensor, for a batch of none
            arrays[name] = np.zeros([0], COMPUTE[str(arrays[call.row.images].dtype)])
    results = getattr(_kernels, call.function)(**arrays, **options, threads=1)
    return results if isinstance(results, tuple) else (results,)


def copied(name, x):
    if x is None:
        return None
    x = np.array(x, order="C")
    return x.view("uint8") != 0 if name == "mask" else x


def same(found, wanted):
    """Whether results have the same types, shapes and bits."""
    return len(found) == len(wanted) and all(
        (x.dtype, x.shape) == (y.dtype, y.shape) and x.tobytes() == y.tobytes()
        for x, y in zip(found, wanted, strict=True)
    )
