"""MultiWorkerMirroredStrategy: two processes on one machine train as one does."""

import json
import os
import socket
import subprocess
import sys

import numpy as np
import pytest

pytestmark = pytest.mark.extended

# Prints what a worker found. gradops is imported before the strategy starts its server. The loop is
# a custom one: fit of Keras 3 fails under this strategy with any loss (keras-team/keras, 20585).
WORKER = """
import json, os
import numpy as np
import tensorflow as tf
import gradops

many = "TF_CONFIG" in os.environ
strategy = tf.distribute.MultiWorkerMirroredStrategy() if many else tf.distribute.get_strategy()
import keras

BATCH = 8
keras.utils.set_random_seed(7)
generator = np.random.default_rng(0)
x, y = generator.random((2, 16, 9, 8, 3), np.float32)
data = tf.data.Dataset.from_tensor_slices((x, y)).batch(BATCH)
options = tf.data.Options()
options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
batches = strategy.experimental_distribute_dataset(data.with_options(options))
with strategy.scope():
    model = keras.Sequential([keras.Input((9, 8, 3)), keras.layers.Conv2D(3, 3, padding="same")])
    optimizer = keras.optimizers.SGD(0.1)
    optimizer.build(model.trainable_variables)
loss = gradops.SobelLoss(reduction="sum", weight=1 / BATCH)


@tf.function
def train(batch):
    def step(inputs, targets):
        with tf.GradientTape() as tape:
            value = loss(targets, model(inputs, training=True))
        slopes = tape.gradient(value, model.trainable_variables)
        optimizer.apply(slopes, model.trainable_variables)
        return value

    return strategy.reduce("SUM", strategy.run(step, args=batch), axis=None)


losses = [float(train(batch)) for _ in range(3) for batch in batches]
weights = np.concatenate([w.ravel() for w in model.get_weights()])
print(json.dumps([losses, weights.tolist(), strategy.num_replicas_in_sync]))
"""


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def start(config):
    variables = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2"}
    if config is not None:
        variables["TF_CONFIG"] = json.dumps(config)
    return subprocess.Popen(
        [sys.executable, "-c", WORKER],
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def result_of(process):
    out, errors = process.communicate(timeout=240)
    assert process.returncode == 0, errors
    return json.loads(out.splitlines()[-1])


def test_two_workers_train_as_one_process_does():
    cluster = {"worker": [f"127.0.0.1:{port}" for port in free_ports(2)]}
    workers = [
        start({"cluster": cluster, "task": {"type": "worker", "index": i}}) for i in range(2)
    ]
    try:
        found = [result_of(worker) for worker in workers]
    finally:
        for worker in workers:
            worker.kill()
    losses, weights, _ = result_of(start(None))
    for worker_losses, worker_weights, replicas in found:
        assert replicas == 2
        np.testing.assert_allclose(worker_losses, losses, rtol=1e-5)
        np.testing.assert_allclose(worker_weights, weights, rtol=0, atol=1e-6)
