"""The build: what it asks for, what it says when something is missing, what it makes."""

import importlib.metadata
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import gradops

ROOT = Path(__file__).resolve().parent.parent
OFF = ["-DGRADOPS_TF=OFF", "-DGRADOPS_CUDA=OFF"]
BACKEND = ROOT / "build_support" / "gradops_build_backend.py"


def run(*arguments, **environment):
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
    )


def tensorflow_of(kind, **environment):
    """The TensorFlow that an extra of the package, or its build, asks for."""
    asked = run(BACKEND, kind, **environment).stdout.split()
    return [requirement for requirement in asked if requirement.startswith("tensorflow")]


def test_the_tensorflow_that_is_asked_for():
    assert tensorflow_of("build") in (["tensorflow-cpu==2.21.*"], ["tensorflow==2.21.*"])
    assert tensorflow_of("build", GRADOPS_TF_VERSION="2.20.1")[0].endswith("==2.20.*")
    assert tensorflow_of("build", GRADOPS_TF="OFF") == []
    cuda = tensorflow_of("cuda", GRADOPS_TF_VERSION="2.20")
    assert cuda == ["tensorflow[and-cuda]==2.20.*"]
    result = run(BACKEND, "build", GRADOPS_TF_VERSION="latest")
    assert result.returncode == 1
    said = "GRADOPS_TF_VERSION must be a version such as 2.21, several or all, got 'latest'"
    assert said in result.stderr
    # Of several, pip downloads the packages when they are built for.
    assert tensorflow_of("build", GRADOPS_TF_VERSION="2.21 2.18") == []
    (several,) = tensorflow_of("cuda", GRADOPS_TF_VERSION="2.21 2.18")
    assert several == "tensorflow[and-cuda]>=2.18,<2.22"
    assert tensorflow_of("cuda", GRADOPS_TF_VERSION="all") == ["tensorflow[and-cuda]>=2.16,<2.22"]


def failed_build(tmp_path, **environment):
    result = run("setup.py", "build_ext", "--build-lib", tmp_path, **environment)
    assert result.returncode != 0
    return result.stderr.strip().splitlines()[-1]


def test_no_compiler(tmp_path):
    message = failed_build(tmp_path, PATH=str(tmp_path), CXX="")
    assert message == "gradops: no C++ compiler found: install g++ or clang++, or set CXX"
    message = failed_build(tmp_path, CXX="/no/such/compiler -O2")
    assert message.startswith("gradops: no C++ compiler found (CXX is '/no/such/compiler')")


@pytest.mark.extended
def test_what_is_missing_is_named(tmp_path):
    for name in ("bin", "tensorflow", "pybind11"):
        (tmp_path / name).mkdir()
    (tmp_path / "bin" / "c++").touch(mode=0o755)
    (tmp_path / "tensorflow" / "tensorflow.py").write_text("raise ImportError('gone')")
    without = "import sys; sys.modules['pybind11'] = None"
    (tmp_path / "pybind11" / "sitecustomize.py").write_text(without)
    for environment, *messages in (
        ({"PATH": str(tmp_path / "bin"), "CXX": ""}, "cmake not found: pip install cmake"),
        ({"PYTHONPATH": str(tmp_path / "pybind11")}, "pybind11 not found: pip install pybind11"),
        (
            {"PYTHONPATH": str(tmp_path / "tensorflow")},
            "TensorFlow 2.21 is needed to build and cannot be imported",
            *["gone", "pip install", "GRADOPS_TF=OFF"],
        ),
        (
            {"GRADOPS_TF_VERSION": "2.19"},
            "building for TensorFlow 2.19 but 2.",
            *["tensorflow", "or set GRADOPS_TF_VERSION=2."],
        ),
    ):
        said = failed_build(tmp_path, **environment)
        assert said.startswith(f"gradops: {messages[0]}"), said
        assert all(message in said for message in messages), said


def test_the_extras_allow_what_was_built_for():
    """One version in a checkout; all that have adapters where a wheel was made."""
    requirements = map(Requirement, importlib.metadata.requires("gradops"))
    pins = [pin for pin in requirements if pin.name.startswith("tensorflow")]
    assert len(pins) == 3
    for pin in pins:
        assert gradops.build_info()["tensorflow_build_version"] in pin.specifier
        assert "2.15.1" not in pin.specifier and "2.22.0" not in pin.specifier
    assert {"cpu", "cuda", "demo", "test", "bench"} <= set(
        importlib.metadata.metadata("gradops").get_all("Provides-Extra")
    )


def test_the_source_distribution_holds_the_tree(tmp_path):
    if not (ROOT / ".git").exists() or not shutil.which("git"):
        pytest.skip("not a checkout, or no git to list it with")
    command = ["git", "ls-files"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    made = run("setup.py", "-q", "egg_info", "--egg-base", tmp_path, "sdist", "-d", tmp_path)
    assert made.returncode == 0, made.stderr
    (archive,) = tmp_path.glob("gradops-*.tar.gz")
    with tarfile.open(archive) as opened:
        names = {name.partition("/")[2] for name in opened.getnames()}
    missing = {name for name in set(listed.stdout.split()) - names if (ROOT / name).exists()}
    assert all(name.startswith(".") for name in missing), missing


@pytest.mark.extended
def test_the_wheel_holds_the_libraries(tmp_path):
    result = run(
        "-m", "pip", "wheel", "--no-build-isolation", "--no-deps", "-w", tmp_path, ROOT,
        GRADOPS_CUDA="OFF",
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    (wheel,) = tmp_path.glob("gradops-*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert {"gradops/libgradops_ops_2_21.so", "gradops/libgradops_kernels.so"} < set(names)
    # What python -m gradops build needs is there: it compiles as the adapter of the wheel did.
    sources = [n for n in names if n.startswith("gradops/csrc/")]
    assert {"gradops/csrc/bindings/tf/ops.cc", "gradops/csrc/op/op.h"} < set(sources)
    assert [n for n in names if n.startswith("gradops/_kernels.") and n.endswith(".so")]
    assert "gradops/demo/__init__.py" in names and "gradops/py.typed" in names
    assert not [n for n in names if n.startswith(("tests", "benchmarks", "csrc"))]


@pytest.mark.extended
def test_a_build_without_tensorflow(tmp_path):
    """The pybind11 module alone, by plain CMake, from an environment that need not have it."""
    for command in (
        ["cmake", "-S", ROOT, "-B", tmp_path, *OFF, f"-DPython_EXECUTABLE={sys.executable}"],
        ["cmake", "--build", tmp_path, "--parallel", "2"],
    ):
        result = subprocess.run(list(map(str, command)), capture_output=True, text=True)
        assert result.returncode == 0, result.stderr
    code = (
        "import sys; sys.modules['tensorflow'] = None; import numpy as np, _kernels as k;"
        "x = np.arange(16.0).reshape(1, 4, 4, 1);"
        "print(k.loss(x, 2 * x)[0])"
    )
    result = run("-c", code, PYTHONPATH=str(tmp_path / "gradops"))
    assert result.stdout.split() == ["10.0"], result.stderr


@pytest.mark.extended
def test_an_install_without_tensorflow(tmp_path):
    """GRADOPS_TF=OFF pip install, then import with no TensorFlow in reach."""
    result = run(
        "-m", "pip", "install", "--no-build-isolation", "--no-deps", "--target", tmp_path, ROOT,
        GRADOPS_TF="OFF", GRADOPS_CUDA="OFF",
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert not list((tmp_path / "gradops").glob("libgradops_ops*"))
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); sys.modules['tensorflow'] = None;"
        "sys.meta_path[:] = [f for f in sys.meta_path if 'editable' not in repr(f)];"
        "import gradops; print(gradops.build_info()['backend'], gradops.__file__)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True
    )
    assert result.stdout.startswith("kernels only " + str(tmp_path)), result.stderr
