"""The ops give the same bits, run after run, for any number of TensorFlow's intra-op threads."""

import functools
from pathlib import Path

import pytest
from subprocess_tools import json_of

COUNTS = [1, 2, 8]

# 8 examples of 4 strips of 64 rows: 32 units of work or, with other strips, at least 16.
DIGESTS = """
import hashlib
import numpy as np
import tensorflow as tf
import gradops

def images(dtype, scale=1):
    rng = np.random.default_rng(20240607)
    return [tf.constant(scale * rng.standard_normal((8, 256, 96, 3)), dtype) for _ in range(2)]

def loss(y_true, y_pred, penalty):
    with tf.GradientTape() as tape:
        tape.watch(y_pred)
        losses = gradops.gradient_loss(y_true, y_pred, penalty=penalty)
        total = tf.reduce_mean(losses)
    return losses, tape.gradient(total, y_pred)

def by_weights(y_true, y_pred):
    weights = tf.abs(y_true[..., :1])
    with tf.GradientTape() as tape:
        tape.watch(weights)
        losses = gradops.gradient_loss(y_true, y_pred, weights=weights, normalizer="batch")
        total = tf.reduce_mean(losses)
    return losses, tape.gradient(total, weights)

def edges(_, images):
    with tf.GradientTape() as tape:
        tape.watch(images)
        edges = gradops.sobel_edges(images)
    return edges, tape.gradient(edges, images, output_gradients=edges)

def digests():
    result = {}
    # The last: subnormal numbers, which some threads of TensorFlow flush to zero and some do not.
    for dtype, scale in [("float32", 1), ("float64", 1), ("float32", 1e-38)]:
        pair = images(dtype, scale)
        results = {
            "l1": loss(*pair, "l1"), "l2": loss(*pair, "l2"), "edges": edges(*pair),
        }
        if scale == 1:  # weights have a least size
            results["weights"] = by_weights(*pair)
        for name, (value, gradient) in results.items():
            for what, tensor in (("value", value), ("gradient", gradient)):
                digest = hashlib.sha256(tensor.numpy().tobytes()).hexdigest()
                result[f"{scale} {dtype} {name} {what}"] = digest
    return result
"""

# Prints {"hashes": one {result: sha256} per run, "shares": {op: each thread's part of the time}}.
SCRIPT = (
    f"""
import json, os, sys
import tensorflow as tf
tf.config.threading.set_intra_op_parallelism_threads(int(sys.argv[1]))
{DIGESTS}
"""
    + """
def nanoseconds_on_cpu():
    result = {}
    for thread in os.listdir("/proc/self/task"):
        with open(f"/proc/self/task/{thread}/schedstat") as file:
            result[thread] = int(file.read().split()[0])
    return result

def shares(call):
    call()
    before = nanoseconds_on_cpu()
    for _ in range(100):
        call()
    gains = [time - before.get(thread, 0) for thread, time in nanoseconds_on_cpu().items()]
    return [gain / sum(gains) for gain in gains if gain > 0]

printed = {"hashes": [digests() for _ in range(3)]}
if sys.argv[2:] == ["shares"] and os.path.exists("/proc/self/schedstat"):
    y_true, y_pred = images("float32")
    printed["shares"] = {
        "loss": shares(lambda: gradops.gradient_loss(y_true, y_pred)),
        "loss and gradient": shares(lambda: loss(y_true, y_pred, "l1")),
        "edges": shares(lambda: gradops.sobel_edges(y_pred)),
        "edges and gradient": shares(lambda: edges(None, y_pred)),
    }
print(json.dumps(printed))
"""
)


@functools.cache
def run(count):
    return json_of(SCRIPT, count, "shares")


def test_eight_threads_give_the_bits_of_this_process_run_after_run():
    here = {}
    exec(DIGESTS, here)
    hashes = here["digests"]()
    assert json_of(SCRIPT, 8)["hashes"] == 3 * [hashes]
    assert len(set(hashes.values())) == len(hashes)  # so that equal hashes mean something


@pytest.mark.extended
@pytest.mark.parametrize("count", COUNTS)
def test_any_number_of_threads_gives_the_bits_of_one_thread_run_after_run(count):
    assert run(count)["hashes"] == 3 * [run(1)["hashes"][0]]


@pytest.mark.extended
@pytest.mark.skipif(
    not Path("/proc/self/schedstat").exists(), reason="needs Linux's time on the CPU per thread"
)
@pytest.mark.parametrize("count", COUNTS)
def test_several_threads_share_the_work_if_and_only_if_there_are_several(count):
    """A thread takes part if it had at least 2% of the time on the CPU that all calls took."""
    for op, shares in run(count)["shares"].items():
        workers = sum(share >= 0.02 for share in shares)
        assert workers == 1 if count == 1 else workers >= 2, (op, shares)
