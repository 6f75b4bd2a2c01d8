"""Bandwidth of the CUDA kernels against what the card's memory allows, by CuPy arrays.

Run by `make gpu-check`, of a build without TensorFlow. Loss and gradient move two images in and
one out, as the triad out = a - b does; the loss alone moves two in, as a sum of |a - b| does.
Ratios are of medians of one run, each taken in turn, on buffers that rotate through several times
the cache.
"""

from __future__ import annotations

import argparse
import csv
import sys
from pathlib import Path

import cupy
import numpy as np

from gradops import _kernels

SHAPES = [
    (64, 512, 512, 3),
    (16, 1024, 1024, 3),
    (8, 2048, 2048, 4),
    (64, 512, 512, 1),
    (16, 256, 256, 64),
]
DTYPES = ["float32", "float16", "bfloat16"]
WORKING_SET = 1 << 30  # bytes that are gone through before a buffer comes again, at least
OCCUPIED = 4 << 30  # bytes of other work before each call: about a millisecond
FIELDS = ["shape", "dtype", "loss+gradient ms", "triad ms", "ratio", "loss ms", "sum ms"]
FIELDS += ["loss ratio", "TB/s"]


def milliseconds(calls, occupy, repeats):
    """Medians of each of {name: function(n)}, taken in turn, by events; n counts the calls.

    Before each the device is kept at other work, so that all of the call is enqueued before it
    begins: what the host takes for that is not timed.
    """
    times = {name: [] for name in calls}
    n = 0
    for i in range(repeats + 3):
        for name, call in calls.items():
            start, stop = cupy.cuda.Event(), cupy.cuda.Event()
            occupy()
            start.record()
            call(n)
            n += 1
            stop.record()
            stop.synchronize()
            if i >= 3:
                times[name].append(cupy.cuda.get_elapsed_time(start, stop))
    return {name: float(np.median(values)) for name, values in times.items()}


def measure(shape, dtype, repeats):
    """One row of the table."""
    item = 4 if dtype == "float32" else 2
    size = int(np.prod(shape)) * item
    sets = max(2, -(-WORKING_SET // (3 * size)))
    stored = "float32" if item == 4 else "uint16"
    rng = np.random.default_rng(0)
    one = (rng.integers(0, 256, shape) / 256).astype("float32")
    bits = one if item == 4 else (one.view("uint32") >> 16).astype("uint16")
    if dtype == "float16":
        bits = one.astype("float16").view("uint16")
    buffers = [
        [cupy.asarray(bits), cupy.asarray(np.roll(bits, 1 + i)), cupy.empty(shape, stored)]
        for i in range(sets)
    ]
    other = [cupy.zeros(shape, stored) for _ in range(3)]
    loss = cupy.empty(shape[:1], "float32")
    upstream = cupy.full(shape[:1], 1 / shape[0], "float32")
    sums = cupy.empty(1024, "float32")
    options = {"dtype": dtype, "stream": cupy.cuda.get_current_stream().ptr}
    kernels = _kernels.cuda

    def occupy():
        for _ in range(max(1, OCCUPIED // (3 * size))):
            kernels.triad(*other, **options)

    found = milliseconds(
        {
            "both": lambda n: kernels.loss_and_gradient(
                *buffers[n % sets][:2], upstream, loss, buffers[n % sets][2], **options
            ),
            "triad": lambda n: kernels.triad(*buffers[n % sets], **options),
            "loss": lambda n: kernels.loss(*buffers[n % sets][:2], loss, **options),
            "sum": lambda n: kernels.sum_absolute_difference(
                *buffers[n % sets][:2], sums, **options
            ),
        },
        occupy,
        repeats,
    )
    return {
        "shape": "x".join(map(str, shape)),
        "dtype": dtype,
        "loss+gradient ms": f"{found['both']:.4f}",
        "triad ms": f"{found['triad']:.4f}",
        "ratio": f"{found['both'] / found['triad']:.3f}",
        "loss ms": f"{found['loss']:.4f}",
        "sum ms": f"{found['sum']:.4f}",
        "loss ratio": f"{found['loss'] / found['sum']:.3f}",
        "TB/s": f"{3 * size / found['both'] / 1e9:.2f}",
    }


def main():
    """Prints the table; with --csv PATH also writes it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--csv", type=Path)
    parser.add_argument("--repeats", type=int, default=50)
    arguments = parser.parse_args()
    device = cupy.cuda.runtime.getDeviceProperties(0)["name"].decode()
    print(f"{device}, toolkit {_kernels.build_info()['cuda_toolkit']}")
    print("  ".join(FIELDS))
    rows = []
    for dtype in DTYPES:
        for shape in SHAPES:
            rows.append(measure(shape, dtype, arguments.repeats))
            print("  ".join(rows[-1].values()), flush=True)
            cupy.get_default_memory_pool().free_all_blocks()
    if arguments.csv:
        with arguments.csv.open("w", newline="") as file:
            writer = csv.DictWriter(file, FIELDS)
            writer.writeheader()
            writer.writerows(rows)


if __name__ == "__main__":
    sys.exit(main())
