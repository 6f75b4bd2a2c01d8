"""What the programs share: images, modes, and a limit of the address space."""

import contextlib
import functools
import resource

import numpy as np
import tensorflow as tf

rng = np.random.default_rng(20240607)
small = rng.random((2, 3, 9, 8, 2), np.float32)
# Of a function and, if it should be traced once, its signature.
MODES = {
    "eager": lambda function, signature=None: function,
    "graph": tf.function,
    "compiled": functools.partial(tf.function, jit_compile=True),
}


def bits(tensors):
    return [np.asarray(x).tobytes() for x in tensors]


def outcome(function, *arguments):
    try:
        function(*arguments)
        return "none"
    except Exception as error:
        return type(error).__name__


@contextlib.contextmanager
def address_space(extra):
    """Limits it to what is in use and so many bytes."""
    with open("/proc/self/statm") as file:
        used = int(file.read().split()[0]) * resource.getpagesize()
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (used + extra, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def tall_images():
    """Pairs of float32 images [3, 512, 2048, 2], of which the levels of a unit take 2.5 MiB."""
    row = rng.random((2, 1, 1, 2048, 2), np.float32)
    return np.ones((2, 3, 512, 2048, 2), np.float32) * row
