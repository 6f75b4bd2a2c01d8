"""Several processes: started afresh ones compute, also as TensorFlow 1; what a fork may do."""

import inspect
import json
import operator
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from preset_tools import OPTIONS, relative
from subprocess_tools import json_of

import gradops
from gradops import presets, reference

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
PAIR = ["y_true", "y_pred"]
FUNCTIONS = ["gradient_loss", "value_and_gradient", "gradient_sums", "residual_map"]
FUNCTIONS += ["image_gradients", "gradient_magnitude", "sobel_edges"]
GRAPH_MODE = """
import json, operator, sys
import numpy as np
import tensorflow as tf
import gradops

v1 = tf.compat.v1
v1.disable_eager_execution()
folder, cases = sys.argv[1], json.loads(sys.argv[2])
inputs = dict(np.load(folder + "/inputs.npz"))
shapes = {name: None if name.startswith("any_") else x.ndim * [None] for name, x in inputs.items()}
shapes |= dict.fromkeys(["y_true", "y_pred"], [None, None, None, 1])  # some ask for the channels
given = {name: v1.placeholder(x.dtype, shapes[name]) for name, x in inputs.items()}
fed = {given[name]: x for name, x in inputs.items()}
# What broadcasting would let pass; too small an image; what stands for no target in the ops.
wrong = {name: x[:1] for name, x in inputs.items()}
wrong |= {"y_pred": inputs["y_pred"][:, :1], "any_target": np.float32([])}
fetches, accepted = [], []
for case in cases:
    found = outputs(case, given)
    fetches.append([*found, tf.gradients(found[0], given[case[1][-1]])[0]])
with v1.Session() as session:
    for i, results in enumerate(session.run(fetches, fed)):
        np.savez(f"{folder}/{i}.npz", *results)
plain = v1.ConfigProto()  # a graph is not optimised for one run
plain.graph_options.rewrite_options.disable_meta_optimizer = True
with v1.Session(config=plain) as session:
    def run(what, fetched, fed):
        try:
            session.run(fetched, fed)
            accepted.append(what)
        except tf.errors.InvalidArgumentError:
            pass

    for (name, places, keywords, _), fetched in zip(cases, fetches):
        for changed in [*places[:-1], *keywords.values()] or places:
            run([name, changed], fetched[:-1], {**fed, given[changed]: wrong[changed]})
    loss = gradops.gradient_loss(given["y_true"], given["y_pred"], weights=given["weights"])
    slope = tf.gradients(loss, given["weights"])[0]
    for factor in (0, 1):  # a derivative that is refused unless it is multiplied by 0
        run(factor, tf.gradients(factor * slope, given["y_pred"]), fed)
print(json.dumps(accepted))
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


def cases():
    """Yields each function's name, inputs by place and by keyword, and options."""
    names = [*FUNCTIONS, *(f"presets.{name}" for name in presets.__all__ if name.islower())]
    for name in names:
        parameters = inspect.signature(operator.attrgetter(name)(gradops)).parameters
        places = sum(x.kind is x.POSITIONAL_OR_KEYWORD for x in parameters.values())
        keywords = {keyword: keyword for keyword in ("weights", "mask") if keyword in parameters}
        options = OPTIONS.get(name.removeprefix("presets."), [{}])[0]
        needed = {"confidence": "weights"} if "confidence" in parameters else {}
        yield from (
            [name, PAIR[-places:], {**needed, **x}, options]
            for x in ([{}, keywords] if keywords else [{}])
        )
    weighted, videos = {"weights": "weights", "mask": "mask"}, ["video", "other_video"]
    yield ["gradient_loss", PAIR, weighted, {"scales": 2, "downsample": "average"}]
    yield ["gradient_loss", videos, {}, {}]
    yield ["residual_map", videos, {"mask": "video_mask"}, {"response": "magnitude"}]
    direction = {"response": "direction", "response_epsilon": 0}
    for name, options in (
        ("gradient_loss", {}),
        ("presets.hu_loss", {}),
        ("residual_map", direction),
    ):
        yield [name, ["any_target", "y_pred"], {}, options]
    for name, weights in (
        ("SobelLoss", "any_pixels"),
        ("SobelLoss", "any_examples"),
        ("presets.HuLoss", "any_examples"),
        ("presets.HuLoss", "examples"),
    ):
        yield [name, PAIR, {"sample_weight": weights}, {"mask_value": 1}]


def outputs(case, given):
    """What a function, or a Keras loss, returns of the inputs that are given."""
    name, places, keywords, options = case
    function = operator.attrgetter(name)(gradops)
    if isinstance(function, type):
        function, options = function(**options), {}
    by_keyword = {keyword: given[name] for keyword, name in keywords.items()}
    return tf.nest.flatten(function(*(given[place] for place in places), **by_keyword, **options))


def test_the_graphs_and_sessions_of_tensorflow_1(rng, tmp_path):
    """Where == compares tensors by identity: the same numbers, and wrong shapes are refused."""
    shapes = dict.fromkeys((*PAIR, "any_target", "weights", "mask"), (3, 36, 40, 1))
    shapes |= {"examples": (3,), "any_examples": (3,), "any_pixels": (3, 36, 40)}
    shapes |= dict.fromkeys(("video", "other_video"), (3, 2, 8, 9, 2))
    shapes["video_mask"] = (3, 2, 8, 9, 1)
    inputs = {name: 0.5 + rng.random(shape, "float32") for name, shape in shapes.items()}
    inputs |= {name: inputs[name] > 0.6 for name in ("mask", "video_mask")}
    for name in ("y_pred", "other_video"):  # gradients of 0
        inputs[name][..., :12, :6, :] = 1
    inputs["y_true"][2] = inputs["y_pred"][2]
    np.savez(tmp_path / "inputs.npz", **inputs)
    given = {name: tf.constant(values) for name, values in inputs.items()}
    script = inspect.getsource(outputs) + GRAPH_MODE
    assert json_of(script, tmp_path, json.dumps(list(cases()))) == [0]
    for i, case in enumerate(cases()):
        images = given[case[1][-1]]
        with tf.GradientTape() as tape:
            tape.watch(images)
            expected = outputs(case, given)
        expected.append(tape.gradient(expected[0], images))
        found = np.load(tmp_path / f"{i}.npz").values()
        errors = [relative(*both) for both in zip(found, map(np.array, expected), strict=True)]
        assert np.max(errors) < 1e-4, case
