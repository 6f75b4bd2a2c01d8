"""Forks of a process in which TensorFlow ran the op: a child has none of TensorFlow's threads.

One child uses the kernels alone and one uses nothing; the parent computes before and after.
"""

import json
import multiprocessing

import numpy as np
import tensorflow as tf
from tools import bits, rng, small

import gradops
from gradops import _kernels

pair = [tf.constant(x) for x in small]
large = rng.random((2, 3, 200, 300, 3), np.float32)
ones = np.ones(3, np.float32)


def ops():
    with tf.GradientTape() as tape:
        tape.watch(pair[1])
        losses = gradops.gradient_loss(*pair)
    return bits([losses, tape.gradient(losses, pair[1]), gradops.gradient_loss(*large)])


def kernels():
    return bits(_kernels.loss_memo(*large, ones, threads=3))


def child(queue, uses_kernels):
    queue.put(kernels() if uses_kernels else None)


wanted, wanted_kernels = ops(), kernels()
context = multiprocessing.get_context("fork")
for uses_kernels in (True, False):
    queue = context.Queue()
    process = context.Process(target=child, args=(queue, uses_kernels))
    process.start()
    assert queue.get(timeout=60) == (wanted_kernels if uses_kernels else None)
    process.join(60)
    assert process.exitcode == 0
    assert ops() == wanted and kernels() == wanted_kernels
print(json.dumps("right"))
