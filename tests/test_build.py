"""The build: what it asks for, what it says when something is missing, what it makes."""

import importlib.metadata
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import gradops

ROOT = Path(__file__).resolve().parent.parent
BACKEND = ROOT / "build_support" / "gradops_build_backend.py"


def run(*arguments, **environment):
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
    )


def build_requirements(**environment):
    return run(BACKEND, "build", **environment).stdout.split()


def test_the_default_tensorflow():
    (requirement,) = [r for r in build_requirements() if r.startswith("tensorflow")]
    assert requirement in ("tensorflow-cpu==2.21.*", "tensorflow==2.21.*")


@pytest.mark.parametrize("version", ["2.20", "2.20.1"])
def test_another_tensorflow(version):
    (requirement,) = [
        r for r in build_requirements(GRADOPS_TF_VERSION=version) if r.startswith("tensorflow")
    ]
    assert requirement.endswith("==2.20.*")
    cuda = run(BACKEND, "cuda", GRADOPS_TF_VERSION=version).stdout.strip()
    assert cuda == "tensorflow[and-cuda]==2.20.*"


def test_without_tensorflow():
    assert not [r for r in build_requirements(GRADOPS_TF="OFF") if "tensorflow" in r]


def test_a_malformed_tensorflow_version():
    result = run(BACKEND, "build", GRADOPS_TF_VERSION="latest")
    assert result.returncode == 1
    assert "GRADOPS_TF_VERSION must look like 2.21, got 'latest'" in result.stderr


def failed_build(tmp_path, **environment):
    result = run("setup.py", "build_ext", "--build-lib", tmp_path, **environment)
    assert result.returncode != 0
    return result.stderr.strip().splitlines()[-1]


def test_no_compiler(tmp_path):
    message = failed_build(tmp_path, PATH=str(tmp_path), CXX="")
    assert message == ("gradops: no C++ compiler found: install g++ or clang++, or set CXX")


def test_no_cmake(tmp_path):
    compiler = tmp_path / "c++"
    compiler.touch(mode=0o755)
    message = failed_build(tmp_path, PATH=str(tmp_path), CXX="")
    assert message.startswith("gradops: cmake not found: pip install cmake")


def test_the_wrong_tensorflow(tmp_path):
    message = failed_build(tmp_path, GRADOPS_TF_VERSION="2.19")
    assert message.startswith("gradops: building for TensorFlow 2.19 but 2.")
    assert "tensorflow" in message and "or set GRADOPS_TF_VERSION=2." in message


def test_no_tensorflow_to_build_against(tmp_path):
    (tmp_path / "tensorflow.py").write_text("raise ImportError('gone')")
    message = failed_build(tmp_path, PYTHONPATH=str(tmp_path))
    assert message.startswith("gradops: TensorFlow 2.21 is needed to build and cannot be imported")
    assert "gone" in message and "pip install" in message and "GRADOPS_TF=OFF" in message


def test_a_compiler_that_is_not_there(tmp_path):
    message = failed_build(tmp_path, CXX="/no/such/compiler -O2")
    assert message.startswith("gradops: no C++ compiler found (CXX is '/no/such/compiler')")


def test_no_pybind11(tmp_path):
    (tmp_path / "sitecustomize.py").write_text("import sys; sys.modules['pybind11'] = None")
    message = failed_build(tmp_path, PYTHONPATH=str(tmp_path))
    assert message.startswith("gradops: pybind11 not found: pip install pybind11")


def test_the_extras_pin_the_minor_version_that_was_built_with():
    requirements = importlib.metadata.requires("gradops")
    minor = ".".join(gradops.build_info()["tensorflow_build_version"].split(".")[:2])
    pins = [r for r in requirements if r.startswith("tensorflow")]
    assert len(pins) == 3
    assert all(f"=={minor}.*" in pin for pin in pins)
    assert {"cpu", "cuda", "demo", "test", "bench"} <= set(
        importlib.metadata.metadata("gradops").get_all("Provides-Extra")
    )


@pytest.mark.extended
def test_the_wheel_holds_the_libraries(tmp_path):
    result = run(
        "-m", "pip", "wheel", "--no-build-isolation", "--no-deps", "-w", tmp_path, ROOT,
        GRADOPS_CUDA="OFF",
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    (wheel,) = tmp_path.glob("gradops-*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert "gradops/libgradops_ops.so" in names
    assert [n for n in names if n.startswith("gradops/_kernels.") and n.endswith(".so")]
    assert "gradops/demo/__init__.py" in names and "gradops/py.typed" in names
    assert not [n for n in names if n.startswith(("tests", "benchmarks", "csrc"))]


@pytest.mark.extended
def test_a_build_without_tensorflow(tmp_path):
    """The pybind11 module alone, by plain CMake, from an environment that need not have it."""
    for command in (
        [
            "cmake",
            "-S",
            ROOT,
            "-B",
            tmp_path,
            "-DGRADOPS_TF=OFF",
            "-DGRADOPS_CUDA=OFF",
            f"-DPython_EXECUTABLE={sys.executable}",
        ],
        ["cmake", "--build", tmp_path, "--parallel", "2"],
    ):
        result = subprocess.run(list(map(str, command)), capture_output=True, text=True)
        assert result.returncode == 0, result.stderr
    code = (
        "import sys; sys.modules['tensorflow'] = None; import numpy as np, _kernels as k;"
        "x = np.arange(16.0).reshape(1, 4, 4, 1);"
        "print(k.build_info()['tensorflow_build_version'] == '', k.loss(x, 2 * x)[0])"
    )
    result = run("-c", code, PYTHONPATH=str(tmp_path / "gradops"))
    assert result.stdout.split() == ["True", "10.0"], result.stderr


@pytest.mark.extended
def test_an_install_without_tensorflow(tmp_path):
    """GRADOPS_TF=OFF pip install, then import with no TensorFlow in reach."""
    result = run(
        "-m", "pip", "install", "--no-build-isolation", "--no-deps", "--target", tmp_path, ROOT,
        GRADOPS_TF="OFF", GRADOPS_CUDA="OFF",
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert not (tmp_path / "gradops" / "libgradops_ops.so").exists()
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); sys.modules['tensorflow'] = None;"
        "sys.meta_path[:] = [f for f in sys.meta_path if 'editable' not in repr(f)];"
        "import gradops; print(gradops.build_info()['backend'], gradops.__file__)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True
    )
    assert result.stdout.startswith("kernels only " + str(tmp_path)), result.stderr
