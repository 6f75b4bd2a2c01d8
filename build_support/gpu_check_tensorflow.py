"""Builds gradops for the installed TensorFlow, with CUDA, and tries it there on this machine's GPU.

`make gpu-check-tensorflow` runs it with any Python that has TensorFlow's GPU build, NumPy, pytest
and pybind11, beside nvcc and CMake; it downloads nothing. Its stages (--stages, by default all):

    build   op library and pybind11 module, in build/gpu-check-tensorflow/site; with --op-library
            PATH, one that was built elsewhere for the same TensorFlow, the module alone: for a
            TensorFlow that came without its headers
    tests   a part of the tests of the public functions, with their tensors on the device
            (tests/on_device.py)
    modes   benchmarks.tensorflow_modes: correctness, time and memory in every mode

Stages after one that failed are run. Models with convolutions, and all else that needs CUDA's own
libraries, are left out of the tests unless --libraries. `--build-only` needs no GPU, and
`--device CPU:0` tries the stages without one.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from functools import partial
from pathlib import Path

from check_stages import Check, choose
from gpu_check import PYTEST, ROOT, TESTS, compile_package, has_tools

sys.path.append(str(TESTS))
from on_device import GROUPS

BUILD = ROOT / "build" / "gpu-check-tensorflow"
SITE = BUILD / "site"
STAGES = ["build", "tests", "modes"]
OP_LIBRARY = "libgradops_ops.so"
# Says what there is, and fails unless the loss of an image is computed on the device.
LOOK = """
import sys
import tensorflow as tf
import gradops
device = sys.argv[1]
print(tf.__version__, tf.config.list_physical_devices(), gradops.build_info())
with tf.device(device):
    loss = gradops.gradient_loss(None, tf.random.uniform([2, 8, 8, 1]))
print(loss.numpy(), "on", loss.device)
sys.exit(0 if loss.device.endswith(device) else 1)
"""
INFO = "import gradops; print(gradops.build_info())"


def build(check: Check, arguments: argparse.Namespace) -> None:
    """Both libraries, next to a copy of the package's Python files."""
    if not has_tools(check, ["nvcc", "cmake"], ["numpy", "pybind11", "tensorflow"]):
        return
    given = arguments.op_library
    if given and not given.is_file():
        check.note("build needs", False, f"--op-library: there is no file {given}")
        return
    options = ["-DGRADOPS_TF=ON", f"-DGRADOPS_CUDA_ARCHS={arguments.archs}"]
    if not compile_package(check, BUILD, options, ["_kernels"] if given else []):
        return
    if given:
        shutil.copy(given, SITE / "gradops" / OP_LIBRARY)
    check.call("import", sys.executable, "-c", INFO, GRADOPS_BACKEND="fused")


def tests(check: Check, arguments: argparse.Namespace) -> None:
    """Whether the ops run on the device, and the tests with their tensors there."""
    if not has_tools(check, [], ["pytest", "tensorflow"]):
        return
    check.call("look", sys.executable, "-c", LOOK, arguments.device, tail=2)
    how = ["--device", arguments.device, "-m", "not extended"]
    how += ["--device-libraries"] if arguments.libraries else []
    for name, (modules, every) in GROUPS.items():
        files = [str(TESTS / f"{module}.py") for module in modules]
        command = [*PYTEST, *files, *how, "--every", str(every * arguments.sparing)]
        check.call(f"tests-{name}", *command, PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")


def modes(check: Check, arguments: argparse.Namespace) -> None:
    """The table of times and memory."""
    command = [sys.executable, "-m", "benchmarks.tensorflow_modes", "--device", arguments.device]
    command += ["--shapes", arguments.shapes] if arguments.shapes else []
    command += ["--csv", str(Path(arguments.csv).resolve())] if arguments.csv else []
    check.call("modes", *command)


def environment() -> dict[str, str]:
    """What TensorFlow needs to share a GPU, to compile for one that is newer than it, and XLA."""
    variables = {
        "TF_FORCE_GPU_ALLOW_GROWTH": "true",
        "CUDA_MODULE_LOADING": "LAZY",
        "CUDA_CACHE_MAXSIZE": str(4 << 30),
        "GRADOPS_BACKEND": "fused",
    }
    nvcc = shutil.which("nvcc")
    if nvcc is not None:  # where XLA finds libdevice and ptxas
        toolkit = Path(nvcc).resolve().parents[1]
        variables["XLA_FLAGS"] = f"--xla_gpu_cuda_data_dir={toolkit}"
    return {name: value for name, value in variables.items() if name not in os.environ}


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The command line."""
    how = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=how)
    parser.add_argument("--archs", default="native")
    parser.add_argument("--stages", default=",".join(STAGES), help="default: %(default)s")
    parser.add_argument("--build-only", action="store_true", help="as --stages build")
    parser.add_argument("--op-library", type=Path, help=f"a {OP_LIBRARY} that is built already")
    parser.add_argument("--device", default="GPU:0")
    parser.add_argument("--libraries", action="store_true", help="cuDNN, cuBLAS and so on are here")
    parser.add_argument("--sparing", type=int, default=1, help="of the tests, one in so many again")
    parser.add_argument("--shapes", default="", help="of the stage modes, such as 16x512x512x3")
    parser.add_argument("--csv", default="", help="where to write the table of the modes")
    parser.add_argument("--logs", default=str(BUILD / "logs"), help="what each step printed")
    options = parser.parse_args(arguments)
    options.stages = choose("build" if options.build_only else options.stages, STAGES)
    if options.op_library is not None:
        options.op_library = options.op_library.resolve()
    return options


def main(arguments: list[str] | None = None) -> int:
    """Runs the stages; returns the exit status."""
    options = parse(arguments)
    os.environ.update(environment())
    check = Check("gpu-check-tensorflow", BUILD, Path(options.logs).resolve(), [SITE, ROOT])
    stages = {"build": build, "tests": tests, "modes": modes}
    return check.run(
        options.stages,
        {name: partial(stage, check, options) for name, stage in stages.items()},
        lambda: (SITE / "gradops" / OP_LIBRARY).exists(),
    )


if __name__ == "__main__":
    sys.exit(main())
