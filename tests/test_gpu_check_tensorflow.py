"""`make gpu-check-tensorflow`: its stages, in a folder of stand-ins; and pytest's --device."""

import importlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import on_device
import pytest

ROOT = Path(__file__).resolve().parents[1]
TESTS = Path(__file__).parent
# "Builds" the libraries that are asked for.
CMAKE = """#!/bin/sh
for argument; do case $argument in
-DGRADOPS_OUTPUT_DIR=*) echo "${argument#*=}" > where;;
esac; done
case "$*" in
*--build*_kernels) touch "$(cat where)/_kernels.so";;
*--build*) touch "$(cat where)/_kernels.so" "$(cat where)/libgradops_ops.so";;
esac
echo cmake "$@"
"""
PACKAGE = """
import os
def build_info():
    return {"backend": os.environ["GRADOPS_BACKEND"]}
def gradient_loss(y_true, images):
    return images
"""
TENSORFLOW = """
import contextlib
__version__ = "2.21.0"
class Tensor:
    device = "/device:GPU:0"
    def numpy(self):
        return 1
class config:
    list_physical_devices = staticmethod(lambda: ["a GPU"])
class random:
    uniform = staticmethod(lambda shape: Tensor())
device = lambda name: contextlib.nullcontext()
"""
CONFTEST = """
def pytest_addoption(parser):
    parser.addoption("--device")
    parser.addoption("--every")
    parser.addoption("--device-libraries", action="store_true")
"""
TEST = """
def test_it(request):
    assert request.config.getoption("device") == "GPU:0"
    assert request.config.getoption("device_libraries") == LIBRARIES
"""
MODES = "import os, sys; print('modes', sys.argv[1:], os.environ['XLA_FLAGS'])\n"


@pytest.fixture
def check(tmp_path):
    """Runs the check in a checkout of stand-ins: (exit status, what it says)."""
    for name in ("gradops", "tests", "benchmarks", "build_support", "bin", "modules"):
        (tmp_path / name).mkdir()
    for name in ("gpu_check.py", "gpu_check_tensorflow.py", "check_stages.py"):
        shutil.copy(ROOT / "build_support" / name, tmp_path / "build_support")
    shutil.copy(TESTS / "on_device.py", tmp_path / "tests")
    files = {
        "gradops/__init__.py": PACKAGE,
        "modules/tensorflow.py": TENSORFLOW,
        "tests/conftest.py": CONFTEST,
        "benchmarks/tensorflow_modes.py": MODES,
        "bin/nvcc": "#!/bin/sh\n",
        "bin/cmake": CMAKE,
    }
    for modules, _ in on_device.GROUPS.values():
        files |= {f"tests/{module}.py": TEST for module in modules}
    for name, text in files.items():
        (tmp_path / name).write_text(text.replace("LIBRARIES", "False"))
    for program in (tmp_path / "bin").iterdir():
        program.chmod(0o755)

    def run(*arguments):
        path = os.pathsep.join([str(tmp_path / "bin"), "/usr/bin", "/bin"])
        environment = {**os.environ, "PATH": path, "PYTHONPATH": str(tmp_path / "modules")}
        environment.pop("XLA_FLAGS", None)
        environment.pop("GRADOPS_BACKEND", None)
        result = subprocess.run(
            [sys.executable, tmp_path / "build_support" / "gpu_check_tensorflow.py", *arguments],
            env=environment,
            capture_output=True,
            text=True,
        )
        return result.returncode, result.stdout + result.stderr

    run.folder = tmp_path
    return run


@pytest.mark.extended
def test_all_stages(check):
    status, said = check("--archs", "90-real", "--shapes", "1x8x8x3")
    assert status == 0, said
    summary = said.partition("gpu-check-tensorflow: summary\n")[2]
    assert summary.startswith("ok     build: 3 of 3 steps passed")
    assert "tests: 4 of 4 steps passed" in summary and "modes: 1 of 1 steps passed" in summary
    assert f"tests-ops: {len(on_device.GROUPS['ops'][0])} passed" in summary
    assert "-DGRADOPS_TF=ON -DGRADOPS_CUDA_ARCHS=90-real" in said and "'backend': 'fused'" in said
    assert "modes ['--device', 'GPU:0', '--shapes', '1x8x8x3']" in said
    assert f"--xla_gpu_cuda_data_dir={check.folder}" in said


@pytest.mark.extended
def test_an_op_library_of_elsewhere(check, tmp_path):
    library = tmp_path / "elsewhere.so"
    library.write_text("ops")
    status, said = check("--build-only", "--op-library", library)
    assert status == 0, said
    assert "--target _kernels" in said and "tests" not in said.partition("summary")[2]
    built = check.folder / "build" / "gpu-check-tensorflow" / "site" / "gradops"
    assert (built / "libgradops_ops.so").read_text() == "ops"
    status, said = check("--build-only", "--op-library", tmp_path / "missing.so")
    assert status == 1 and "--op-library: there is no file" in said


def test_the_tests_that_are_named_exist():
    """Counts the groups, and those that are left out."""
    modules = [module for group, _ in on_device.GROUPS.values() for module in group]
    assert len(set(modules)) == len(modules)
    for module in modules:
        assert (TESTS / f"{module}.py").exists()
    for left_out in (on_device.OF_THE_HOST, on_device.OF_LIBRARIES):
        for module, names in left_out.items():
            assert module in modules
            for name in names:
                assert callable(getattr(importlib.import_module(module), name))


PLACED = """
import tensorflow as tf

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, 2 * [tf.config.LogicalDeviceConfiguration()])

def test_it():
    assert tf.constant(1.0).device.endswith("CPU:WHERE")
"""


@pytest.mark.extended
@pytest.mark.parametrize("where", [0, 1])
def test_tests_are_called_on_the_device(tmp_path, where):
    """On the second of two of the host; without the option, where TensorFlow likes."""
    for name in ("conftest.py", "on_device.py"):
        shutil.copy(TESTS / name, tmp_path)
    (tmp_path / "test_placed.py").write_text(PLACED.replace("WHERE", str(where)))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
    command += ["--device", "CPU:1"] if where else []
    result = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert result.returncode == 0, result.stdout
    assert "1 passed" in result.stdout


def test_what_is_left_out_on_a_device():
    runs = on_device.runs_on_device
    assert runs("test_ops", "test_shape_inference", False)
    assert not runs("test_keras", "test_mixed_precision", False)
    assert runs("test_keras", "test_mixed_precision", True)
    assert not runs("test_compatibility", "test_dataset_map", True)
