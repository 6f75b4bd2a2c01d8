"""Importing: version checks, what is reported, twice, and life without TensorFlow."""

import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from op_tools import each
from subprocess_tools import json_of, run_python

import gradops
from gradops import _library, reference


@each(["2.20.0", "2.22.0-rc1", "3.0.0"], [], name="version")
def test_another_tensorflow_minor_version(version):
    code = f"import tensorflow as tf; tf.__version__ = {version!r}; import gradops"
    result = run_python(code, GRADOPS_BACKEND="fused")
    assert result.returncode == 1
    message = result.stderr.strip().splitlines()[-1]
    built = _library.tensorflow_build_version()
    assert message.startswith("ImportError: gradops was built for TensorFlow " + built)
    assert f"TensorFlow {version} is installed" in message
    package = _library.installed_tensorflow()[0]
    assert f"pip install '{package}=={_library.minor_version(built)}.*'" in message
    assert f"GRADOPS_TF_VERSION={_library.minor_version(version)} pip install" in message
    assert "undefined symbol" not in result.stderr


def test_the_version_is_that_of_the_op_library_itself(tmp_path, monkeypatch):
    """In a checkout the pybind11 module of another Python may be of an older build."""
    file = tmp_path / "libgradops_ops.so"
    file.write_bytes(b"\x7fELF...gradops-built-for-tensorflow:2.99.1;...")
    monkeypatch.setattr(_library, "_OP_LIBRARY", file)
    _library.tensorflow_build_version.cache_clear()
    try:
        assert _library.tensorflow_build_version() == "2.99.1"
        with pytest.raises(ImportError, match=r"built for TensorFlow 2\.99\.1"):
            _library.check_tensorflow()
    finally:
        _library.tensorflow_build_version.cache_clear()


@pytest.mark.extended
def test_another_patch_version_is_fine():
    version = _library.minor_version(tf.__version__) + ".99"
    code = f"import tensorflow as tf; tf.__version__ = {version!r}; import gradops"
    result = run_python(code, GRADOPS_BACKEND="fused")
    assert result.returncode == 0, result.stderr


# Simulated: the module says that it was built with GRADOPS_TF=OFF.
WITHOUT_TENSORFLOW = """
import importlib.util, pathlib, sys
spec = importlib.util.find_spec("gradops")
kernels_spec = importlib.util.spec_from_file_location(
    "gradops._kernels", next(pathlib.Path(spec.origin).parent.glob("_kernels*.so")))
kernels = importlib.util.module_from_spec(kernels_spec)
kernels_spec.loader.exec_module(kernels)
info = {**kernels.build_info(), "tensorflow_build_version": ""}
kernels.build_info = lambda: dict(info)
sys.modules["gradops._kernels"] = kernels
import gradops
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
    assert _library.minor_version(info["tensorflow_build_version"]) == _library.minor_version(
        tf.__version__
    )
    assert info["cpu_target"] in info["cpu_targets_runnable"]
    assert set(info["cpu_targets_runnable"]) <= set(info["cpu_targets"])
    assert bool(info["cuda_architectures"]) == bool(info["cuda_toolkit"])


def test_the_command_prints_the_build():
    result = subprocess.run([sys.executable, "-m", "gradops"], capture_output=True, text=True)
    assert result.returncode == 0
    for key, value in gradops.build_info().items():
        (line,) = [line for line in result.stdout.splitlines() if line.split()[0] == key]
        if isinstance(value, str):
            assert value in line


@pytest.mark.extended
def test_an_unknown_command():
    result = subprocess.run(
        [sys.executable, "-m", "gradops", "fly"], capture_output=True, text=True
    )
    assert result.returncode == 2
    assert "unknown command 'fly'" in result.stderr


def test_the_op_library_knows_no_python_and_leaves_no_cuda_symbol_undefined():
    result = subprocess.run(
        ["nm", "-D", "--undefined-only", str(_library._OP_LIBRARY)], capture_output=True, text=True
    )
    if result.returncode:
        pytest.skip("nm is not installed")
    symbols = [line.split()[-1] for line in result.stdout.splitlines()]
    assert symbols
    assert not [s for s in symbols if s.startswith(("Py", "_Py")) or "cuda" in s.lower()]
