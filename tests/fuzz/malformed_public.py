"""Malformed calls of the public functions and of a loss of Keras."""

import functools
import inspect

import numpy as np
from fuzz import malformed_rows as rows

IMAGES = ("y_true", "y_pred", "images", "image", "disparity", "confidence")
MAPS = ("weights", "mask")
FUNCTIONS = ["gradient_loss", "gradient_sums", "image_gradients", "gradient_magnitude"]
FUNCTIONS += ["residual_map", "sobel_edges", "value_and_gradient"]
# Values of any argument.
VALUES = [None, 0, -1, 2, 1.5, 2**31, 2**70, 1e999, float("nan"), "", "l1", "nan", b"l1", True]
VALUES += [(), [1, -1], [1] * 1000, [float("nan")], "1,2", "x" * 10000, object(), {}, int]
VALUES += [np.zeros(3), np.float16(0.5), lambda: 1, "\x00", "\udc80", -(2**63), 1j, -np.inf]


@functools.cache
def functions():
    """{name: (function, names of its arguments)}."""
    import gradops
    from gradops import presets

    def keras_loss(y_true, y_pred, sample_weight=None, **options):
        return gradops.GradientLoss(**options)(y_true, y_pred, sample_weight)

    found = {name: getattr(gradops, name) for name in FUNCTIONS}
    found |= {name: getattr(presets, name) for name in presets.__all__ if name.islower()}
    found = {name: (f, list(inspect.signature(f).parameters)) for name, f in found.items()}
    options = list(inspect.signature(gradops.GradientLoss.__init__).parameters)[1:]
    found["GradientLoss"] = keras_loss, ["y_true", "y_pred", "sample_weight", *options]
    return found


def draw(seed):
    """A function's name, its keywords, what is malformed, and whether it runs in a graph."""
    rng = np.random.default_rng([20240607, seed])
    name = str(rng.choice(FUNCTIONS if rng.random() < 0.6 else list(functions())))
    _, arguments = functions()[name]
    keywords = {}
    for argument in arguments:
        if argument in IMAGES or (argument in MAPS and rng.random() < 0.5):
            keywords[argument] = rng.integers(1, 65, (2, 9, 8, 3)).astype("float32") / 16
    if "mask" in keywords:
        keywords["mask"] = keywords["mask"] > 1
    what = [name]
    for _ in range(rng.choice([1, 2, 3], p=[0.6, 0.3, 0.1])):
        argument = str(rng.choice(arguments))
        array = keywords.get(argument)
        usable = isinstance(array, np.ndarray) and max(array.shape, default=0) < 1e6
        if usable and rng.random() < 0.8:
            row = str(rng.choice(list(rows.ARRAYS)))
            keywords[argument] = rows.ARRAYS[row](array, rng)
            what.append(f"{argument} {row}: {rows.brief(keywords[argument])}")
        else:
            keywords[argument] = VALUES[rng.integers(len(VALUES))]
            what.append(f"{argument}={rows.brief(keywords[argument])}")
    return name, keywords, what, bool(rng.integers(2))


def run(name, keywords, in_graph):
    """The results as arrays."""
    import tensorflow as tf

    function, _ = functions()[name]
    if in_graph:
        arrays = {n: x for n, x in keywords.items() if isinstance(x, np.ndarray)}
        images = {n: x for n, x in arrays.items() if n in IMAGES + MAPS}
        others = {n: x for n, x in keywords.items() if n not in images}
        traced = tf.function(lambda given: function(**given, **others), autograph=False)
        results = traced({n: tf.convert_to_tensor(x) for n, x in images.items()})
    else:
        results = function(**keywords)
    return tuple(x.numpy() for x in tf.nest.flatten(results))
