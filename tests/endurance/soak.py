"""Many training steps across changing shapes, options and modes: memory stays flat, bits the same.

    python tests/endurance/soak.py [--steps N] [--seed N] [--bound BYTES] [--plain]

A step finds a loss and its gradients and moves the prediction against its gradient, always from the
same start. Steps visit a fixed set of problems in an order that is shuffled anew for every round,
and every visit must have the bits of the first. Functions are traced once for each member and mode:
their signatures take all shapes, for which XLA compiles a program each. (TensorFlow keeps what was
traced, so tracing anew would grow memory without gradops.)

Resident memory is measured in rounds, after Python's garbage is collected. Its slope is the median
of the slopes of all pairs of samples after the first third, in bytes per 1000 steps. With --plain
the loss is |p - t| of TensorFlow's own ops, which shows how memory grows without gradops.

The exit status is 1 if bits differ or if the slope exceeds the bound.
"""

import argparse
import functools
import gc
import itertools
import math
import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
sys.path.append(str(Path(__file__).resolve().parents[1]))

import numpy as np
import tensorflow as tf
from endurance.tools import MODES
from pair_tools import covering

import gradops

tf.get_logger().setLevel("ERROR")  # it takes a program per shape for retracing

# Bytes per 1000 steps. One example's gradient that is left behind in one of the members is 8 times
# as much; 100,000 steps may add 1.6 MB.
BOUND = 16_000
SAMPLES = 400
SHAPES = [(1, 8, 8, 1), (3, 17, 23, 2), (2, 70, 40, 3), (5, 9, 33, 4), (1, 131, 36, 5)]
PAIR = ("y_pred", "y_true")
MEMBERS = {
    "defaults": {},
    "magnitudes in bfloat16": {
        "dtype": "bfloat16",
        "response": "magnitude",
        "penalty": "charbonnier",
        "border": "circular",
    },
    "channels first": {"data_format": "channels_first", "stencil": "scharr", "penalty": "huber"},
    "learned weights": {
        "tensors": (*PAIR, "weights"),
        "normalizer": "pixel_count",
        "penalty": "l2",
    },
    "mask": {
        "tensors": (*PAIR, "mask"),
        "border": "valid",
        "penalty": "log",
        "normalizer": "batch",
    },
    "scales": {"tensors": (*PAIR, "weights"), "scales": 3, "downsample": "average"},
    "one image in float16": {"tensors": ("y_pred",), "dtype": "float16", "stencil": "forward"},
    "second order": {"dtype": "float64", "order": 2, "penalty": "power", "alpha": 2.5},
    "directions": {"tensors": (*PAIR, "mask"), "response": "direction", "border": "replicate"},
}


def plain_loss(y_true, y_pred, weights=None, **_):
    """What TensorFlow alone makes of the same tensors."""
    differences = tf.abs(y_pred if y_true is None else y_pred - y_true)
    if weights is not None:
        differences *= weights
    return tf.reduce_mean(differences, axis=[1, 2, 3])


def step_of(loss, names, order=1, **options):
    """The step of a member, a function of the tensors of these names."""

    def step(*tensors):
        given = dict(zip(names, tensors, strict=True))
        sources = [x for name, x in given.items() if name != "mask"]
        with tf.GradientTape() as outer:
            outer.watch(sources)
            with tf.GradientTape() as tape:
                tape.watch(sources)
                losses = loss(**{"y_true": None, **given, **options})
                value = tf.reduce_mean(losses)
            slopes = tape.gradient(value, sources)
            square = tf.reduce_sum(slopes[0] ** 2) if order == 2 else None
        if order == 2:
            slopes += outer.gradient(square, sources)
        y_pred = given["y_pred"]
        return [losses, *slopes, y_pred - tf.cast(0.1, y_pred.dtype) * slopes[0]]

    return step


def tensors_of(rng, shape, names, dtype, data_format="channels_last"):
    """The tensors of these names; maps have one channel."""
    of_map = (*shape[:3], 1)
    if data_format == "channels_first":
        shape, of_map = ((x[0], x[3], *x[1:3]) for x in (shape, of_map))
    every = {
        "y_pred": tf.constant(rng.standard_normal(shape), dtype),
        "y_true": tf.constant(rng.standard_normal(shape), dtype),
        "weights": tf.constant(rng.random(of_map), "float64" if dtype == "float64" else "float32"),
        "mask": tf.constant(rng.random(of_map) > 0.05),
    }
    return [every[name] for name in names]


def problems(loss):
    """Functions without arguments that take a step."""
    rng = np.random.default_rng(20240607)
    steps = {}
    for case in covering({"shape": SHAPES, "member": list(MEMBERS), "mode": list(MODES)}):
        options = dict(MEMBERS[case["member"]])
        names, dtype = options.pop("tensors", PAIR), options.pop("dtype", "float32")
        tensors = tensors_of(
            rng, case["shape"], names, dtype, options.get("data_format", "channels_last")
        )
        key = case["member"], case["mode"]
        if key not in steps:
            signature = [tf.TensorSpec([None] * 4, x.dtype) for x in tensors]
            steps[key] = MODES[case["mode"]](step_of(loss, names, **options), signature)
        yield functools.partial(steps[key], *tensors)


def resident_bytes():
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def slope_of(samples):
    """Bytes per 1000 steps of (step, bytes) after the first third: the median of all pairs'."""
    later = samples[len(samples) // 3 :]
    slopes = [
        1000 * (after - before) / (last - first)
        for (first, before), (last, after) in itertools.combinations(later, 2)
    ]
    return float(np.median(slopes)) if slopes else 0.0


def run(every, steps, seed=0):
    """Visits problems, prints some samples of memory and returns all: [(steps done, bytes)]."""
    rng = np.random.default_rng(seed)
    wanted, samples = {}, []
    rounds = math.ceil(steps / len(every))
    for number in range(1, rounds + 1):  # whole rounds, so that the last visits all
        for which in rng.permutation(len(every)):
            found = [x.numpy().tobytes() for x in every[which]()]
            if wanted.setdefault(which, found) != found:
                raise AssertionError(f"problem {which} has other bits in round {number}")
        if number % math.ceil(rounds / SAMPLES) == 0 or number == rounds:
            samples.append((number * len(every), resident_bytes()))
            if len(samples) % (SAMPLES // 20) == 0 or number == rounds:
                print(f"{samples[-1][0]:9,} steps {samples[-1][1] / 2**20:9.2f} MiB", flush=True)
    return samples


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0, help="of the order of the problems")
    parser.add_argument("--bound", type=float, default=BOUND, help="bytes per 1000 steps")
    parser.add_argument("--plain", action="store_true", help="TensorFlow's own ops instead")
    given = parser.parse_args()

    every = list(problems(plain_loss if given.plain else gradops.gradient_loss))
    samples = run(every, given.steps, given.seed)
    print(f"{len(every)} problems: each visit has the bits of the first")
    slope = slope_of(samples)
    print(f"slope {slope:.0f} bytes per 1000 steps, bound {given.bound:.0f}")
    if slope > given.bound:
        sys.exit("resident memory grows")


if __name__ == "__main__":
    main()
