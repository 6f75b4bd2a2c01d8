"""A few losses with gradients of one shape and dtype, for a profiler to look at.

ncu -k regex:SweepKernel -s 1 -c 1 python -m benchmarks.one 64x512x512x3 float32
"""

from __future__ import annotations

import sys

import numpy as np

from benchmarks.cuda import buffers
from gradops import _library


def main(arguments: list[str]) -> int:
    """SHAPE DTYPE (one of buffers.DTYPES): three calls, on arrays of CuPy."""
    import cupy

    shape = tuple(map(int, arguments[0].split("x")))
    dtype = arguments[1]
    numbers = buffers.encode(np.random.default_rng(0).random(shape, "float32"), dtype)
    y_true, y_pred = cupy.asarray(numbers), cupy.asarray(numbers[::-1])
    loss, upstream = cupy.empty(shape[0], "float32"), cupy.ones(shape[0], "float32")
    gradient = cupy.empty_like(y_pred)
    for _ in range(3):
        _library.kernels().cuda.loss_memo(y_true, y_pred, upstream, loss, gradient, dtype=dtype)
    print(arguments, float(loss.sum()))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
