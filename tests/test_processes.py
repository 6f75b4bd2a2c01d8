"""Several processes: started afresh ones compute; what a fork may do and may not."""

import json
import subprocess
import sys

import numpy as np
import pytest
from subprocess_tools import json_of

import gradops
from gradops import reference

# Losses of two halves of a batch, each in a process of its own, started as multiprocessing's
# "spawn" does: a file, since such a process imports its parent's main module.
SPAWN = """
import json, multiprocessing, sys
import numpy as np


def work(pair):
    import gradops

    return gradops.gradient_loss(*pair).numpy().tolist()


if __name__ == "__main__":
    import gradops

    y_true, y_pred = np.load(sys.argv[1])
    parent = gradops.gradient_loss(y_true, y_pred).numpy().tolist()
    context = multiprocessing.get_context("spawn")
    with context.Pool(2) as pool:
        halves = pool.map(work, [(y_true[:2], y_pred[:2]), (y_true[2:], y_pred[2:])])
    print(json.dumps([parent, halves[0] + halves[1]]))
"""
# The kernels on NumPy arrays have threads only while a call lasts, so a child of a fork has all
# that it needs.
FORK = """
import json, os, sys
import numpy as np
from gradops import _kernels

y_true, y_pred = np.load(sys.argv[1])
parent = _kernels.loss(y_true, y_pred, threads=2).tolist()
read, write = os.pipe()
child = os.fork()
if child == 0:
    os.write(write, json.dumps(_kernels.loss(y_true, y_pred, threads=2).tolist()).encode())
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
print(json.dumps([parent, json.loads(os.read(read, 10000))]))
"""


@pytest.fixture
def pair(rng, tmp_path):
    images = rng.random((2, 4, 40, 30, 3), np.float32)
    np.save(tmp_path / "images.npy", images)
    return images, tmp_path / "images.npy"


@pytest.mark.extended
def test_processes_that_are_started_afresh(pair, tmp_path):
    images, path = pair
    script = tmp_path / "job.py"
    script.write_text(SPAWN)
    command = [sys.executable, str(script), str(path)]
    process = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert process.returncode == 0, process.stderr
    parent, children = json.loads(process.stdout.splitlines()[-1])
    assert children == pytest.approx(parent, rel=1e-6)
    np.testing.assert_allclose(children, reference.gradient_loss(*images), rtol=1e-5)


def test_the_kernels_alone_survive_a_fork(pair):
    images, path = pair
    parent, child = json_of(FORK, path)
    assert parent == child
    np.testing.assert_allclose(child, reference.gradient_loss(*images), rtol=1e-6)


def test_the_loss_in_a_dataset_of_worker_threads(pair):
    """tf.data's workers are threads of this process, not forks."""
    import tensorflow as tf

    images, _ = pair
    data = tf.data.Dataset.from_tensor_slices(tuple(images)).batch(1).repeat(8)
    losses = data.map(gradops.gradient_loss, num_parallel_calls=8, deterministic=True)
    found = np.concatenate(list(losses.as_numpy_iterator()))
    np.testing.assert_allclose(found, np.tile(reference.gradient_loss(*images), 8), rtol=1e-5)
