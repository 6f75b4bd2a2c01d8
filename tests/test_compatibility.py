"""The losses wherever TensorFlow code runs: saved, threaded, distributed, mapped, recomputed."""

import threading

import numpy as np
import pytest
import tensorflow as tf
from op_tools import EPSILON, dyadic, is_fused
from subprocess_tools import json_of

import gradops
from gradops import reference

SHAPE = (4, 8, 7, 2)


def images(rng, shape=SHAPE):
    return [tf.constant(dyadic(rng, shape), tf.float32) for _ in range(2)]


class Scorer(tf.Module):
    """A loss and its gradient, as functions to save."""

    @tf.function(input_signature=2 * [tf.TensorSpec([None, None, None, 2], tf.float32)])
    def score(self, y_true, y_pred):
        return {"losses": gradops.gradient_loss(y_true, y_pred)}

    @tf.function(input_signature=2 * [tf.TensorSpec([None, None, None, 2], tf.float32)])
    def slopes(self, y_true, y_pred):
        with tf.GradientTape() as tape:
            tape.watch(y_pred)
            loss = gradops.SobelLoss()(y_true, y_pred)
        return {"slopes": tape.gradient(loss, y_pred)}


SERVE = """
import json, sys
import numpy as np
import tensorflow as tf
import gradops

model = tf.saved_model.load(sys.argv[1])
images = np.load(sys.argv[2])
tensors = {name: tf.constant(images[name]) for name in ("y_true", "y_pred")}
losses = model.signatures["score"](**tensors)["losses"]
slopes = model.slopes(**tensors)["slopes"]
print(json.dumps({"losses": losses.numpy().tolist(), "slopes": slopes.numpy().tolist()}))
"""
WITHOUT = """
import json, sys
import tensorflow as tf

try:
    tf.saved_model.load(sys.argv[1])
    print(json.dumps(""))
except Exception as error:
    print(json.dumps(str(error)))
"""


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    scorer, path = Scorer(), tmp_path_factory.mktemp("saved") / "scorer"
    tf.saved_model.save(
        scorer, str(path), signatures={"score": scorer.score, "slopes": scorer.slopes}
    )
    return path


# A model that holds a loss, and no gradient of it; differentiated before any other use of gradops.
DIFFERENTIATE = """
import json, sys
import numpy as np
import tensorflow as tf
import gradops

model = tf.saved_model.load(sys.argv[1])
images = np.load(sys.argv[2])
y_pred = tf.constant(images["y_pred"])
with tf.GradientTape() as tape:
    tape.watch(y_pred)
    losses = model.score(tf.constant(images["y_true"]), y_pred)["losses"]
slopes = tape.gradient(losses, y_pred)
each = tf.vectorized_map(lambda x: model.score(y_pred, x)["losses"], y_pred[None])
print(json.dumps([slopes.numpy().tolist(), each.numpy().tolist()]))
"""


def test_saved_model_is_differentiable_in_a_process_that_only_imports_gradops(rng, saved, tmp_path):
    y_true, y_pred = images(rng)
    np.savez(tmp_path / "images.npz", y_true=y_true, y_pred=y_pred)
    slopes, each = json_of(DIFFERENTIATE, saved, tmp_path / "images.npz")
    expected = reference.loss_gradients(y_true, y_pred)[1]
    np.testing.assert_allclose(slopes, expected, rtol=1e-5, atol=1e-8)
    assert not np.any(each)


@pytest.mark.extended
def test_saved_model_serves_in_a_process_that_imports_gradops(rng, saved, tmp_path):
    y_true, y_pred = images(rng)
    np.savez(tmp_path / "images.npz", y_true=y_true, y_pred=y_pred)
    found = json_of(SERVE, saved, tmp_path / "images.npz")
    np.testing.assert_allclose(found["losses"], reference.gradient_loss(y_true, y_pred), rtol=1e-6)
    slopes = Scorer().slopes(y_true, y_pred)["slopes"]
    np.testing.assert_array_equal(np.float32(found["slopes"]), slopes)


@pytest.mark.extended
def test_saved_model_without_gradops_names_the_op(saved):
    assert "Gradops>" in json_of(WITHOUT, saved)


@pytest.mark.usefixtures("backend")
def test_many_threads_share_the_ops(rng):
    """Eager calls, a graph and a program of XLA at once; each thread sees its own numbers."""
    graph = tf.function(lambda t, p: gradops.gradient_loss(t, p))
    compiled = tf.function(lambda t, p: gradops.gradient_loss(t, p), jit_compile=True)
    pairs = [images(rng, (2, 40 + i, 33, 3)) for i in range(6)]
    expected = [gradops.gradient_loss(*pair).numpy() for pair in pairs]
    failures = []
    tolerance = {"rtol": 0 if is_fused() else 64 * EPSILON["float32"], "atol": 0}

    def work(i):
        for _ in range(15):
            for call in (gradops.gradient_loss, graph, compiled):
                if not np.allclose(call(*pairs[i]), expected[i], **tolerance):
                    failures.append((i, call))

    threads = [threading.Thread(target=work, args=(i,)) for i in range(len(pairs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


@pytest.mark.cpu_only
@pytest.mark.usefixtures("backend")
def test_dataset_map(rng):
    y_true, y_pred = images(rng)
    data = tf.data.Dataset.from_tensor_slices((y_true, y_pred)).batch(2)
    losses = data.map(gradops.gradient_loss, num_parallel_calls=2)
    found = np.concatenate(list(losses.as_numpy_iterator()))
    np.testing.assert_allclose(found, reference.gradient_loss(y_true, y_pred), rtol=1e-6)


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("graph", [False, True])
def test_recompute_grad(rng, graph):
    y_true, y_pred = images(rng)

    def slopes(function):
        def step(p):
            with tf.GradientTape() as tape:
                tape.watch(p)
                value = function(p)
            return tape.gradient(value, p)

        return (tf.function(step) if graph else step)(y_pred)

    def loss(p):
        return tf.reduce_sum(gradops.gradient_loss(y_true, tf.tanh(p)))

    np.testing.assert_array_equal(slopes(tf.recompute_grad(loss)), slopes(loss))


# Prints the weights and losses of a small training job: on one device, on two logical ones with the
# same global batch, and with deterministic ops, twice.
TRAIN = """
import json, sys
import numpy as np
import tensorflow as tf

kind = sys.argv[1]
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, 2 * [tf.config.LogicalDeviceConfiguration()])
if kind == "deterministic":
    tf.config.experimental.enable_op_determinism()
import keras
import gradops

keras.utils.set_random_seed(7)
generator = np.random.default_rng(0)
x, y = generator.random((2, 16, 9, 8, 3), np.float32)
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]) if kind == "mirrored" else None
scope = strategy.scope() if strategy else tf.device("CPU:0")
with scope:
    model = keras.Sequential([keras.Input((9, 8, 3)), keras.layers.Conv2D(3, 3, padding="same")])
    model.compile(keras.optimizers.SGD(0.1), loss=gradops.SobelLoss())
history = model.fit(x, y, batch_size=8, epochs=3, shuffle=kind == "deterministic", verbose=0)
weights = np.concatenate([w.ravel() for w in model.get_weights()])
replicas = strategy.num_replicas_in_sync if strategy else 1
print(json.dumps([history.history["loss"], weights.tolist(), replicas]))
"""


@pytest.mark.cpu_only  # the replicas are on the CPU
@pytest.mark.extended
def test_mirrored_strategy_trains_as_one_device_does():
    losses, weights, _ = json_of(TRAIN, "single")
    mirrored_losses, mirrored_weights, replicas = json_of(TRAIN, "mirrored")
    assert replicas == 2
    np.testing.assert_allclose(mirrored_losses, losses, rtol=1e-5)
    np.testing.assert_allclose(mirrored_weights, weights, rtol=0, atol=1e-6)
    assert losses[-1] < losses[0]


@pytest.mark.cpu_only  # the replicas are on the CPU
@pytest.mark.extended
def test_mirrored_strategy_leaves_a_replica_without_images(rng):
    """The last batch has one image for two replicas."""
    code = TRAIN.replace("(2, 16, 9, 8, 3)", "(2, 9, 9, 8, 3)")
    # TensorFlow's convolution has no derivative for a batch of none.
    code = code.replace('Conv2D(3, 3, padding="same")', "Dense(3)")
    losses, weights, _ = json_of(code, "mirrored")
    assert np.isfinite(losses).all() and np.isfinite(weights).all() and losses[-1] < losses[0]


@pytest.mark.cpu_only
@pytest.mark.extended
def test_deterministic_training_ends_in_the_same_weights():
    assert json_of(TRAIN, "deterministic") == json_of(TRAIN, "deterministic")
