"""python -m gradops doctor: what it says of installations in which something is wrong."""

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import tensorflow as tf
from subprocess_tools import run_command

import gradops
from gradops import _adapters, _library
from gradops._commands import doctor, self_test

WELL = doctor.Said(0, ["as the oracle"])


def wrong(check):
    """{what is wrong: what mends it} of a check."""
    return {found.what: found.fix for found in check() if found.fix}


@pytest.fixture
def python(monkeypatch):
    """What other Pythons say, by a word of their arguments; those that are not named are well."""
    said = {}

    def run(arguments, **environment):
        text = " ".join([*arguments, *environment.values()])
        return next((said[word] for word in said if word in text), WELL)

    monkeypatch.setattr(doctor, "run", run)
    return said


def test_nothing_is_wrong_here(tmp_path):
    """End to end, with an adapter, XLA and Keras; a GPU of this machine is out of sight."""
    result = run_command("doctor", PATH=str(tmp_path), CUDA_VISIBLE_DEVICES="-1")
    assert result.returncode == 0, result.stdout + result.stderr
    lines = result.stdout.splitlines()
    assert f"ok    TensorFlow {tf.__version__} can be imported" in lines
    assert "ok    ops, eager on /device:CPU:0: as the oracle" in lines
    assert lines[-1] == "nothing wrong"
    targets = _library.kernels().build_info()["cpu_targets_runnable"]
    assert all(f"ok    kernels, {target}: as the oracle" in lines for target in targets)


def test_without_tensorflow_it_runs_all_the_same(tmp_path):
    (tmp_path / "tensorflow.py").write_text("raise ModuleNotFoundError('gone', name='tensorflow')")
    result = run_command("doctor", PYTHONPATH=str(tmp_path))
    assert result.returncode == 1 and "Traceback" not in result.stderr, result.stderr
    assert "ok    kernels, " in result.stdout
    assert "WRONG TensorFlow cannot be imported: ModuleNotFoundError: gone" in result.stdout
    assert "      mend it: pip install 'tensorflow" in result.stdout


@pytest.mark.extended
def test_an_instruction_set_that_is_not_there():
    result = run_command("doctor", GRADOPS_CPU_TARGET="sse9")
    assert result.returncode == 1 and "Traceback" not in result.stderr, result.stderr
    assert "GRADOPS_CPU_TARGET must name an instruction set" in result.stdout
    assert "      mend it: unset GRADOPS_CPU_TARGET" in result.stdout


def test_packages_of_tensorflow(python, monkeypatch):
    installed = {}
    monkeypatch.setattr(_adapters, "installed_tensorflow", lambda: installed)
    python["import tensorflow"] = doctor.Said(
        1, ["ModuleNotFoundError: No module named 'tensorflow'"]
    )
    (fix,) = wrong(doctor.check_tensorflow).values()
    assert fix.startswith("pip install ") and "tensorflow-cpu==" in fix
    python["import tensorflow"] = doctor.Said(0, ["TensorFlow 2.21.0"])
    installed |= {"tensorflow": "2.21.0"}
    assert not wrong(doctor.check_tensorflow)
    installed |= {"tensorflow-cpu": "2.20.0"}
    ((what, fix),) = wrong(doctor.check_tensorflow).items()
    assert what.startswith("tensorflow and tensorflow-cpu are both installed")
    assert fix.startswith("pip uninstall -y tensorflow tensorflow-cpu; pip install ")


@pytest.mark.parametrize(
    ("said", "what", "fix"),
    [
        (doctor.Said(0, ["TensorFlow 2.15.1"]), "2.15.1 is too old", "pip install "),
        (
            doctor.Said(1, ["ImportError: numpy"]),
            "imported: ImportError: numpy",
            "--force-reinstall",
        ),
        (doctor.Said(-4, []), "need a processor with AVX", "built for this processor"),
    ],
)
def test_a_tensorflow_that_does_not_serve(said, what, fix, python, monkeypatch):
    monkeypatch.setattr(_adapters, "installed_tensorflow", lambda: {"tensorflow-cpu": "2.21.0"})
    python["import tensorflow"] = said
    ((found, mends),) = wrong(doctor.check_tensorflow).items()
    assert what in found and fix in mends


def test_adapters(python, monkeypatch, tmp_path):
    python["print(tf.__version__)"] = doctor.Said(0, ["2.99.0"])
    assert wrong(doctor.check_adapter) == {
        "there is no adapter for TensorFlow 2.99.0": "python -m gradops build"
    }
    monkeypatch.setenv("CXX", "/no/such/compiler")
    (fix,) = wrong(doctor.check_adapter).values()
    assert fix == "install g++ or clang++, or set CXX; python -m gradops build"
    monkeypatch.delenv("CXX")
    damaged = tmp_path / "libgradops_ops.so"
    damaged.write_text("no library")
    monkeypatch.setattr(_adapters, "find", lambda *_: damaged)
    ((what, fix),) = wrong(doctor.check_adapter).items()
    assert "not a shared library" in what and fix == "python -m gradops build"
    monkeypatch.setattr(_adapters, "fault_of", lambda _: "")
    python["self-test ops"] = doctor.Said(1, ["AssertionError: Not equal"])
    assert wrong(doctor.check_adapter) == {
        "ops, AssertionError: Not equal": "python -m gradops build"
    }
    python["self-test ops"] = WELL
    assert not wrong(doctor.check_adapter)
    for value in ("composite", "fast"):
        monkeypatch.setenv("GRADOPS_BACKEND", value)
        assert list(wrong(doctor.check_adapter).values()) == ["unset GRADOPS_BACKEND"]


def test_kernels(python, monkeypatch):
    assert not wrong(doctor.check_kernels)
    python["self-test kernels"] = doctor.Said(1, ["AssertionError: avx2"])
    for what, fix in wrong(doctor.check_kernels).items():
        assert "AssertionError: avx2" in what and "export GRADOPS_CPU_TARGET=" in fix

    def missing():
        raise ImportError("gradops is not built for this Python")

    monkeypatch.setattr(_library, "kernels", missing)
    ((what, fix),) = wrong(doctor.check_kernels).items()
    assert "not built for this Python" in what and "pip install" in fix


def test_the_self_tests_notice_what_is_wrong(monkeypatch):
    """By a thousandth, of the gradient."""
    right = _library.kernels()

    def loss_memo(*arguments, **options):
        loss, gradient = right.loss_memo(*arguments, **options)
        return loss, 1.001 * gradient

    stand_in = SimpleNamespace(build_info=right.build_info, loss_memo=loss_memo)
    with monkeypatch.context() as patch:
        patch.setattr(_library, "kernels", lambda: stand_in)
        with pytest.raises(AssertionError, match="Not equal to tolerance"):
            self_test.kernels()
    loss = gradops.gradient_loss
    monkeypatch.setattr(
        gradops, "gradient_loss", lambda *images, **options: 1.001 * loss(*images, **options)
    )
    with pytest.raises(AssertionError, match="Not equal to tolerance"):
        self_test.ops()


def test_keras(python, monkeypatch):
    monkeypatch.delenv("TF_USE_LEGACY_KERAS", raising=False)
    python["import keras"] = doctor.Said(0, ["3.15.1 tensorflow"])
    assert not wrong(doctor.check_keras)
    monkeypatch.setenv("TF_USE_LEGACY_KERAS", "1")
    (fix,) = wrong(doctor.check_keras).values()
    assert "unset TF_USE_LEGACY_KERAS" in fix
    monkeypatch.setenv("KERAS_BACKEND", "torch")  # which need not be installed
    assert wrong(doctor.check_keras) == {"Keras runs on torch": "export KERAS_BACKEND=tensorflow"}
    monkeypatch.delenv("KERAS_BACKEND")
    python["import keras"] = doctor.Said(0, ["3.15.1 jax"])  # by ~/.keras/keras.json
    ((what, fix),) = wrong(doctor.check_keras).items()
    assert what == "Keras 3.15.1 runs on jax" and "KERAS_BACKEND=tensorflow" in fix
    python["import keras"] = doctor.Said(1, ["ModuleNotFoundError: No module named 'keras'"])
    (fix,) = wrong(doctor.check_keras).values()
    assert fix == "pip install --upgrade 'keras>=3'"


NVIDIA_SMI = """#!/bin/sh
echo "Tesla T4, 470.82"
"""


def test_gpus(python, monkeypatch, tmp_path):
    (tmp_path / "nvidia-smi").write_text(NVIDIA_SMI)
    (tmp_path / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(_library, "has_cuda", lambda: False)
    ((what, fix),) = wrong(doctor.check_gpu).items()
    assert "Tesla T4, 470.82" in what and "CPU alone" in what and "CUDA" in fix
    monkeypatch.setattr(_library, "has_cuda", lambda: True)
    old = "CUDA: the driver is older than the toolkit"
    info = {"cuda_toolkit": "13.0", "cuda_architectures": ["75"]}
    functions = SimpleNamespace(check_driver=lambda: old)
    stand_in = SimpleNamespace(cuda=functions, build_info=lambda: info)
    monkeypatch.setattr(_library, "kernels", lambda: stand_in)
    ((what, fix),) = wrong(doctor.check_gpu).items()
    assert what.endswith(old) and "driver" in fix
    functions.check_driver = lambda: ""
    python["list_physical_devices"] = doctor.Said(0, ["GPUs: 0"])
    assert list(wrong(doctor.check_gpu)) == ["TensorFlow sees GPUs: 0"]
    for said in (doctor.Said(0, ["GPUs: 1"]), doctor.Said(1, ["no TensorFlow, as others say"])):
        python["list_physical_devices"] = said
        assert not wrong(doctor.check_gpu)
    (tmp_path / "nvidia-smi").write_text("#!/bin/sh\necho version mismatch >&2; exit 18")
    ((what, fix),) = wrong(doctor.check_gpu).items()
    assert what == "nvidia-smi fails: version mismatch" and "driver" in fix
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    assert not wrong(doctor.check_gpu)


def test_what_a_bug_report_needs(monkeypatch):
    monkeypatch.setenv("GRADOPS_CPU_TARGET", "baseline")
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    facts = doctor.facts()
    assert facts["GRADOPS_CPU_TARGET"] == "baseline" and facts["KERAS_BACKEND"] == "tensorflow"
    assert sys.executable in facts["python"] and facts["keras"][0] == "3"
    assert Path(facts["gradops is in"]) == Path(doctor.__file__).parents[1]
