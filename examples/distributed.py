"""Trains a small network on several machines, or in several processes of one.

    python examples/distributed.py --workers 2          two processes on this machine
    TF_CONFIG=... python examples/distributed.py        one worker of a cluster, on each machine

TF_CONFIG is TensorFlow's: {"cluster": {"worker": ["host1:port", "host2:port"]}, "task": {"type":
"worker", "index": 0}}, with each machine's own index. With neither, one process trains alone: the
losses and weights are the same, up to rounding, for any number of workers.

The loop is a custom one, because `fit` of Keras 3 fails under MultiWorkerMirroredStrategy with any
loss (keras-team/keras, issue 20585); on several devices of one machine, under MirroredStrategy,
`fit` works.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys

import numpy as np
import tensorflow as tf

import gradops  # before the strategy, which starts a server

GLOBAL_BATCH = 8


def images(count: int = 16) -> tuple[np.ndarray, np.ndarray]:
    """Noise, and what it is to become: the same of every process."""
    noise = np.random.default_rng(0).random((count, 32, 32, 3), np.float32)
    smooth = sum(np.roll(noise, (i, j), axis=(1, 2)) for i in (-1, 0, 1) for j in (-1, 0, 1)) / 9
    return noise, smooth


def train(epochs: int) -> dict:
    """The loss of each step and the final weights, the same of every worker."""
    is_worker = "TF_CONFIG" in os.environ
    strategy = (
        tf.distribute.MultiWorkerMirroredStrategy() if is_worker else tf.distribute.get_strategy()
    )
    import keras

    keras.utils.set_random_seed(7)
    data = tf.data.Dataset.from_tensor_slices(images()).batch(GLOBAL_BATCH)
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
    batches = strategy.experimental_distribute_dataset(data.with_options(options))
    with strategy.scope():
        model = keras.Sequential(
            [keras.Input((32, 32, 3)), keras.layers.Conv2D(3, 3, padding="same")]
        )
        optimizer = keras.optimizers.SGD(0.1)
        optimizer.build(model.trainable_variables)
    # Each replica sees a part of the batch: its sum over the global size adds up to the mean.
    loss = gradops.SobelLoss(reduction="sum", weight=1 / GLOBAL_BATCH)

    def replica_step(x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            value = loss(y, model(x, training=True))
        slopes = tape.gradient(value, model.trainable_variables)
        optimizer.apply(slopes, model.trainable_variables)
        return value

    @tf.function
    def step(batch: tuple) -> tf.Tensor:
        return strategy.reduce("SUM", strategy.run(replica_step, args=batch), axis=None)

    losses = [float(step(batch)) for _ in range(epochs) for batch in batches]
    weights = np.concatenate([w.ravel() for w in model.get_weights()])
    return {"losses": losses, "weights": weights, "replicas": strategy.num_replicas_in_sync}


def report(found: dict, folder: str | None) -> None:
    """Prints a sentence; writes what was found into worker0.npz, worker1.npz, ..."""
    index = json.loads(os.environ.get("TF_CONFIG", '{"task": {"index": 0}}'))["task"]["index"]
    losses, norm = found["losses"], np.linalg.norm(found["weights"])
    print(
        f"worker {index} of {found['replicas']}: loss {losses[0]:.4f} -> {losses[-1]:.4f} after "
        f"{len(losses)} steps, norm of the weights {norm:.6f}",
        flush=True,
    )
    if folder is not None:
        np.savez(os.path.join(folder, f"worker{index}.npz"), **found)


def start_workers(count: int, arguments: list[str]) -> int:
    """Runs this script once for each worker, on ports of this machine; returns the exit status."""
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    workers = [f"127.0.0.1:{one.getsockname()[1]}" for one in sockets]
    for one in sockets:
        one.close()
    processes = []
    for index in range(count):
        task = {"cluster": {"worker": workers}, "task": {"type": "worker", "index": index}}
        environment = {**os.environ, "TF_CONFIG": json.dumps(task)}
        command = [sys.executable, __file__, *arguments]
        processes.append(subprocess.Popen(command, env=environment))
    try:
        return max(abs(process.wait()) for process in processes)
    finally:
        for process in processes:
            process.kill()


def main() -> int:
    """Trains, or starts those that do."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workers", type=int, default=0, help="processes to start on this machine")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--save", help="folder for the losses and weights of each worker")
    options = parser.parse_args()
    if options.workers:
        arguments = ["--epochs", str(options.epochs)]
        arguments += [] if options.save is None else ["--save", options.save]
        return start_workers(options.workers, arguments)
    report(train(options.epochs), options.save)
    return 0


if __name__ == "__main__":
    sys.exit(main())
