"""Importing: version checks, what is reported, twice, and life without TensorFlow."""

import subprocess

import numpy as np
import pytest
import tensorflow as tf
from subprocess_tools import json_of, run_command, run_python

import gradops
from gradops import _adapters, _library, reference

# Simulated: a build with GRADOPS_TF=OFF leaves no adapter.
WITHOUT_TENSORFLOW = """
import pathlib, sys
glob = pathlib.Path.glob
pathlib.Path.glob = lambda path, pattern: [] if "gradops_ops" in pattern else glob(path, pattern)
import gradops
from gradops import _kernels as kernels
import numpy as np
images = np.ones((1, 3, 3, 1))
"""


def test_a_build_without_tensorflow_offers_the_kernels():
    code = f"""
import sys
sys.modules["tensorflow"] = None
{WITHOUT_TENSORFLOW}
print(gradops.build_info()["backend"])
print(kernels.loss(images, images))
try:
    gradops.gradient_loss
except AttributeError as error:
    print(error)
"""
    result = run_python(code)
    assert result.returncode == 0, result.stderr
    backend, loss, error = result.stdout.strip().splitlines()
    assert backend == "kernels only" and loss == "[0.]"
    assert "gradient_loss" in error and "GRADOPS_TF=OFF" in error
    assert "GRADOPS_BACKEND=composite" in error


@pytest.mark.extended
def test_a_build_without_tensorflow_composes_if_told_to():
    """Where there is a TensorFlow all the same."""
    code = WITHOUT_TENSORFLOW + "print(gradops.gradient_loss(images, images).numpy())"
    result = run_python(code, GRADOPS_BACKEND="composite")
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip().splitlines()[-1] == "[0.]"
    result = run_python(code, GRADOPS_BACKEND="fused")
    message = result.stderr.strip().splitlines()[-1]
    assert message.startswith("ImportError: GRADOPS_BACKEND=fused, but gradops was built without")


# What notebooks and plugins do. Of each function: values, gradient, second derivative, and the
# first two of a vectorized map.
AGAIN = """
import json, sys
import keras
import numpy as np
import tensorflow as tf
import gradops

y_true, y_pred = np.load(sys.argv[1])
both = tf.stack([y_pred, y_true])


def loss(images):
    return gradops.gradient_loss(y_true, images, penalty="charbonnier")


def maps(images):
    edges = gradops.sobel_edges(images)[..., 0]
    return edges * gradops.gradient_magnitude(images, response_epsilon=1)


def slopes(function, images):
    with tf.GradientTape() as tape:
        tape.watch(images)
        total = tf.reduce_sum(function(images))
    return tape.gradient(total, images)


def results(function):
    steps = [function, lambda images: slopes(function, images)]
    second = slopes(lambda images: steps[1](images) ** 2, both[0])
    mapped = [tf.vectorized_map(f, both, fallback_to_while_loop=False)[0] for f in steps]
    return [x.numpy().tolist() for x in (*[f(both[0]) for f in steps], second, *mapped)]


printed = [[results(loss), results(maps)]]
for _ in range(2):
    before = gradops
    for name in [name for name in sys.modules if name.split(".")[0] == "gradops"]:
        del sys.modules[name]
    sys.argv = []  # as in an interpreter within another program
    import gradops
    assert gradops is not before and gradops.build_info()["backend"] == "fused"
    for item in (gradops.gradient_loss, gradops.SobelLoss):
        assert keras.saving.get_registered_object(keras.saving.get_registered_name(item)) is item
    printed.append([results(loss), results(maps)])
print(json.dumps(printed))
"""


def test_importing_again(rng, tmp_path):
    """After all of gradops was removed from sys.modules: everything is what it was."""
    images = rng.random((2, 2, 6, 7, 1), np.float32)
    np.save(tmp_path / "images.npy", images)
    first, *again = json_of(AGAIN, tmp_path / "images.npy")
    assert len(again) == 2 and again == [first, first]
    expected = reference.gradient_loss(*images, penalty="charbonnier")
    np.testing.assert_allclose(first[0][0], expected, rtol=1e-5)
    for values, gradient, second, *mapped in first:
        np.testing.assert_allclose(mapped[0], values, rtol=1e-5)
        np.testing.assert_allclose(mapped[1], gradient, rtol=1e-4, atol=1e-5)
        assert np.any(second)


def test_build_info():
    info = gradops.build_info()
    assert info["version"] == gradops.__version__
    assert info["backend"] == "fused"
    assert info["tensorflow"].startswith(tf.__version__)
    built_for = _adapters.minor_version(info["tensorflow_build_version"])
    assert built_for == _adapters.minor_version(tf.__version__)
    assert info["cpu_target"] in info["cpu_targets_runnable"]
    assert set(info["cpu_targets_runnable"]) <= set(info["cpu_targets"])
    assert bool(info["cuda_architectures"]) == bool(info["cuda_toolkit"])


def test_the_command_prints_the_build():
    result = run_command()
    assert result.returncode == 0
    for key, value in gradops.build_info().items():
        (line,) = [line for line in result.stdout.splitlines() if line.split()[0] == key]
        if isinstance(value, str):
            assert value in line


@pytest.mark.extended
def test_an_unknown_command():
    result = run_command("fly")
    assert result.returncode == 2
    assert "unknown command 'fly'" in result.stderr


def test_the_op_library_knows_no_python_and_leaves_no_cuda_symbol_undefined():
    result = subprocess.run(
        ["nm", "-D", "--undefined-only", str(_adapters.require(_library.version()))],
        capture_output=True,
        text=True,
    )
    if result.returncode:
        pytest.skip("nm is not installed")
    symbols = [line.split()[-1] for line in result.stdout.splitlines()]
    assert symbols
    assert not [s for s in symbols if s.startswith(("Py", "_Py")) or "cuda" in s.lower()]
