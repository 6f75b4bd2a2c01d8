"""Limited memory, cancelling, exceptions, signals and forks: what fails is an error, and the next
call is right. tests/endurance/ has the long runs."""

import functools
import importlib.util
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from subprocess_tools import json_of
from tensorflow.python.eager import cancellation

import gradops

ENDURANCE = Path(__file__).parent / "endurance"
SOAK = ENDURANCE / "soak.py"
EXHAUSTED = "ResourceExhaustedError"

# Large blocks come from the system, so that a limit of the address space is met.
MALLOC = {"MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_THRESHOLD_": "262144"}


def program(name, *arguments, **environment):
    """What a program of tests/endurance/ prints, as JSON."""
    path = os.pathsep.join([str(ENDURANCE), *filter(None, [os.environ.get("PYTHONPATH")])])
    script = (ENDURANCE / f"{name}.py").read_text()
    return json_of(script, *arguments, PYTHONPATH=path, **environment)


STEPS = [
    ("float32", {}),
    ("float16", {}),
    ("float32", {"scales": 3}),
    ("float32", {"normalizer": "pixel_count"}),  # and the gradient by the weights
]


@pytest.mark.parametrize(
    ("mode", "dtype", "options"),
    [
        pytest.param(
            *(mode, dtype, options),
            marks=[] if (mode, number) == ("eager", 0) else pytest.mark.extended,
            id=f"{mode}-{number}",
        )
        for mode in ("eager", "graph", "compiled")
        for number, (dtype, options) in enumerate(STEPS)
    ],
)
def test_tensorflow_without_memory_raises_an_error(mode, dtype, options):
    """It waits for 10 seconds before it gives up."""
    limit = {"TF_CPU_ALLOCATOR_USE_BFC": "true", "TF_CPU_BFC_MEM_LIMIT_IN_MB": "230"}
    assert program("limited_allocator", mode, dtype, json.dumps(options), **limit) == EXHAUSTED


@functools.cache
def kernels():
    return program("limited_kernels", **MALLOC)


def test_kernels_without_memory_raise_an_error():
    found, _ = kernels()
    assert len(found) == 6 and set(found.values()) <= {"MemoryError", "_ArrayMemoryError"}, found


def test_an_interrupt_in_the_middle_of_a_call_of_the_kernels():
    assert kernels()[1]


@pytest.mark.extended
@pytest.mark.parametrize("mode", ["eager", "graph", "compiled"])
def test_ops_without_memory_for_coarser_levels_raise_an_error(mode):
    """Memory that the kernels take besides TensorFlow's, in the threads of its pool."""
    assert program("limited_levels", mode, **MALLOC) == EXHAUSTED


@pytest.fixture(scope="module")
def soak():
    spec = importlib.util.spec_from_file_location("soak", SOAK)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_steps_across_changing_shapes_and_options_repeat_their_bits(soak):
    """Every fifth problem: XLA takes long to compile them all."""
    every = list(soak.problems(gradops.gradient_loss))[::5]
    assert soak.run(every, 300)[-1][0] >= 300


@pytest.mark.extended
def test_memory_stays_flat_over_100_000_steps():
    command = [sys.executable, str(SOAK), "--steps", "100000"]
    process = subprocess.run(command, capture_output=True, text=True, timeout=3600, check=False)
    assert process.returncode == 0, process.stdout + process.stderr


def images(rng, shape=(2, 40, 30, 3)):
    return [tf.constant(rng.random(shape), tf.float32) for _ in range(2)]


@tf.function
def losses_in_a_loop(y_true, y_pred, count, visit):
    """The sum of the losses of so many images; visit is called with each number."""
    total = 0.0
    for i in tf.range(count):
        visited = tf.py_function(visit, [i], tf.int32)
        scale = tf.cast(visited, tf.float32)
        total += tf.reduce_sum(gradops.gradient_loss(y_true, scale * y_pred))
    return total


def gradient_of(y_true, y_pred):
    with tf.GradientTape() as tape:
        tape.watch(y_pred)
        loss = tf.reduce_mean(gradops.gradient_loss(y_true, y_pred))
    return tape.gradient(loss, y_pred).numpy().tobytes()


class Unlucky(Exception):
    """What a test raises."""


@pytest.mark.parametrize("how", ["cancelled", "raises"])
def test_a_function_that_ends_in_the_middle_leaves_the_next_call_right(rng, how):
    pair = images(rng)
    wanted = gradient_of(*pair)
    manager = cancellation.CancellationManager()
    seen = []

    def visit(number, stop_at):
        seen.append(int(number))
        if number == stop_at:
            if how == "raises":
                raise Unlucky
            manager.start_cancel()
        return number

    stopping = functools.partial(visit, stop_at=5)
    loop = losses_in_a_loop.get_concrete_function(*pair, tf.constant(0), stopping)
    if how == "cancelled":
        loop = manager.get_cancelable_function(loop)
    error = tf.errors.CancelledError if how == "cancelled" else tf.errors.UnknownError
    with pytest.raises(error):
        loop(*pair, tf.constant(1000))
    assert seen[:6] == list(range(6)) and len(seen) < 1000
    never = functools.partial(visit, stop_at=-1)
    expected = sum(
        tf.reduce_sum(gradops.gradient_loss(pair[0], i * pair[1])) for i in (0.0, 1.0, 2.0)
    )
    found = losses_in_a_loop(*pair, tf.constant(3), never)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert gradient_of(*pair) == wanted


def test_exceptions_in_other_threads_leave_results_alone(rng):
    """Threads that raise between calls of the op, while others run it."""
    pair = images(rng)
    wanted = gradient_of(*pair)
    begun = threading.Barrier(4)
    found, raised = [], []

    def works():
        begun.wait()
        found.extend(gradient_of(*pair) for _ in range(40))

    def fails():
        begun.wait()
        for _ in range(40):
            try:
                gradient_of(*pair)
                gradops.gradient_loss(pair[0], pair[1][:, 1:])
            except tf.errors.InvalidArgumentError as error:
                raised.append(error)
        raise Unlucky

    threads = [threading.Thread(target=target) for target in (works, fails, works, fails)]
    previous, threading.excepthook = threading.excepthook, lambda arguments: None
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        threading.excepthook = previous
    assert len(raised) == 80 and found == 80 * [wanted]
    assert gradient_of(*pair) == wanted


def test_a_fork_after_tensorflow_ran_the_op():
    assert program("fork") == "right"
