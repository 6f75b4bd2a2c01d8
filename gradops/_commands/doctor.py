"""``python -m gradops doctor``: checks an installation, and says what is wrong and what mends it.

What it prints is what a bug report needs. TensorFlow is only ever imported in processes of its own:
one that does not suit the processor ends them.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import platform
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from gradops import _adapters, _backend, _library
from gradops._commands import build

_PACKAGES = ("gradops", "numpy", "keras", "tf_keras", "ml-dtypes")
_VARIABLES = (
    *("KERAS_BACKEND", "TF_USE_LEGACY_KERAS", "CUDA_VISIBLE_DEVICES", "XLA_FLAGS"),
    *("LD_LIBRARY_PATH", "PYTHONPATH"),
)


class Finding(NamedTuple):
    """What a check found; `fix` is the command that mends it, or "" where nothing is wrong."""

    what: str
    fix: str = ""


def main() -> int:
    """Prints facts and findings; returns the exit status, 0 if nothing is wrong."""
    for name, value in facts().items():
        print(f"{name:22} {value}")
    print()
    wrong = 0
    for check in CHECKS:
        for finding in check():
            wrong += bool(finding.fix)
            print(f"{'WRONG' if finding.fix else 'ok   '} {finding.what}")
            if finding.fix:
                print(f"      mend it: {finding.fix}")
    print(f"\n{wrong or 'nothing'} wrong")
    return 1 if wrong else 0


def facts() -> dict[str, str]:
    """What there is: versions, the machine and the variables that matter."""
    found = {
        "python": f"{platform.python_version()}, {sys.executable}",
        "platform": platform.platform(),
        "processor": _processor(),
    }
    for package in _PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "not installed"
    for package, version in _adapters.installed_tensorflow().items():
        found[package] = version
    found["gradops is in"] = str(Path(__file__).parents[1])
    found["adapters"] = ", ".join(_adapters.in_package()) or "none"
    found["adapters built here"] = (
        ", ".join(sorted(map(str, _adapters.cache().glob("*/*")))) or "none"
    )
    given = [
        name for name in sorted(os.environ) if name.startswith("GRADOPS_") or name in _VARIABLES
    ]
    return found | {name: os.environ[name] for name in given}


def check_kernels() -> Iterator[Finding]:
    """The library of kernels: every instruction set that runs here, against the oracle."""
    try:
        info = _library.kernels().build_info()
    except ImportError as error:
        yield Finding(f"the kernels do not load: {error}", _fix_of_kernels(str(error)))
        return
    for target in info["cpu_targets_runnable"]:
        said = run(["-m", "gradops", "self-test", "kernels"], GRADOPS_CPU_TARGET=target)
        fix = f"report this, and until then export GRADOPS_CPU_TARGET={info['cpu_targets'][0]}"
        yield Finding(f"kernels, {said.last}", "" if said.is_well else fix)


def check_tensorflow() -> Iterator[Finding]:
    """One TensorFlow, that can be imported and is not too old."""
    installed = _adapters.installed_tensorflow()
    if len(installed) > 1:
        names = " and ".join(installed)
        install = _adapters.install_command().rpartition("; ")[2]
        fix = f"pip uninstall -y {' '.join(installed)}; {install}"
        yield Finding(f"{names} are both installed and overwrite each other's files", fix)
    said = run(["-c", "import tensorflow as tf; print('TensorFlow', tf.__version__)"])
    if said.is_well and _adapters.is_too_old(said.last.split()[-1]):
        what = f"{said.last} is too old: gradops needs {_adapters.OLDEST} or later"
        yield Finding(what, _adapters.install_command())
    elif said.is_well:
        yield Finding(f"{said.last} can be imported")
    elif not installed and "No module named 'tensorflow'" in said.last:
        yield Finding("there is no TensorFlow", _adapters.install_command())
    elif said.status == -signal.SIGILL:
        what = "TensorFlow ends the process: pip's packages need a processor with AVX"
        yield Finding(what, "install a TensorFlow that was built for this processor")
    else:
        fix = f"{_adapters.install_command()} --force-reinstall"
        yield Finding(f"TensorFlow cannot be imported: {said.last}", fix)


def check_adapter() -> Iterator[Finding]:
    """An adapter for the installed TensorFlow, which computes what it should."""
    said = run(["-c", "import tensorflow as tf; print(tf.__version__)"])
    if not said.is_well or not _has_kernels() or _adapters.is_too_old(said.last):
        return  # which other checks say
    compiler = build.missing_compiler()
    fix = f"{compiler}; {_adapters.BUILD}" if compiler else _adapters.BUILD
    adapter = _adapters.find(_library.version(), said.last)
    if adapter is None:
        yield Finding(f"there is no adapter for TensorFlow {said.last}", fix)
        return
    fault = _adapters.fault_of(adapter)
    if fault:
        yield Finding(f"the adapter cannot be loaded, {fault}: {adapter}", fix)
        return
    well = {_backend.VARIABLE: "fused", "KERAS_BACKEND": "tensorflow"}
    tried = run(["-m", "gradops", "self-test", "ops"], **well)
    for line in tried.lines if tried.is_well else [tried.last]:
        yield Finding(f"ops, {line}", "" if tried.is_well else fix)
    wanted = os.environ.get(_backend.VARIABLE) or "auto"
    if wanted not in ("auto", "fused"):
        what = f"{_backend.VARIABLE}={wanted}: the fused ops are not used"
        yield Finding(what, f"unset {_backend.VARIABLE}")


def check_keras() -> Iterator[Finding]:
    """Keras 3 on TensorFlow, which brings it."""
    if not _adapters.installed_tensorflow():
        return
    backend = os.environ.get("KERAS_BACKEND") or "tensorflow"
    if backend != "tensorflow":
        yield Finding(f"Keras runs on {backend}", "export KERAS_BACKEND=tensorflow")
        return
    said = run(["-c", "import keras; print(keras.__version__, keras.config.backend())"])
    if not said.is_well:
        yield Finding(
            f"Keras 3 cannot be imported: {said.last}", "pip install --upgrade 'keras>=3'"
        )
        return
    version, backend = said.last.split()
    if backend != "tensorflow":
        fix = "export KERAS_BACKEND=tensorflow, or say so in ~/.keras/keras.json"
        yield Finding(f"Keras {version} runs on {backend}", fix)
    elif os.environ.get("TF_USE_LEGACY_KERAS", "").lower() in ("1", "true"):
        what = (
            "TF_USE_LEGACY_KERAS: tf.keras is Keras 2, for gradops' functions but not its classes"
        )
        yield Finding(what, "unset TF_USE_LEGACY_KERAS, or pass gradops.gradient_loss as the loss")
    else:
        yield Finding(f"Keras {version} runs on TensorFlow")


def check_gpu() -> Iterator[Finding]:
    """Where there is a GPU: kernels for it, a driver for them, and whether TensorFlow sees it."""
    if shutil.which("nvidia-smi") is None:
        yield Finding("no GPU: there is no nvidia-smi")
        return
    query = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
    asked = subprocess.run(query, capture_output=True, text=True)
    cards = "; ".join((asked.stdout or asked.stderr).strip().splitlines())
    if asked.returncode != 0:
        yield Finding(f"nvidia-smi fails: {cards}", "install NVIDIA's driver again, then restart")
        return
    if not _has_kernels():
        return
    if not _library.has_cuda():
        fix = "install a wheel with CUDA kernels, or build one (docs/wheels.md): make wheel CUDA=1"
        yield Finding(f"there is a GPU ({cards}) and this gradops is built for the CPU alone", fix)
        return
    info, functions = _library.kernels().build_info(), _library.kernels().cuda
    architectures = ", ".join(info["cuda_architectures"])
    what = f"CUDA kernels by toolkit {info['cuda_toolkit']} for {architectures}"
    why_not = functions.check_driver()
    yield Finding(f"{what}: {why_not or cards}", "update NVIDIA's driver" if why_not else "")
    code = "import tensorflow as tf; print('GPUs:', len(tf.config.list_physical_devices('GPU')))"
    said = run(["-c", code])
    if said.is_well:
        version = next(iter(_adapters.installed_tensorflow().values()), "")
        fix = f"pip uninstall -y tensorflow-cpu; pip install 'tensorflow[and-cuda]=={version}'"
        yield Finding(f"TensorFlow sees {said.last}", fix if said.last == "GPUs: 0" else "")


CHECKS: tuple[Callable[[], Iterator[Finding]], ...] = (
    check_kernels,
    check_tensorflow,
    check_adapter,
    check_keras,
    check_gpu,
)


class Said(NamedTuple):
    """How another Python ended, and what it printed."""

    status: int
    lines: list[str]

    @property
    def is_well(self) -> bool:
        """Whether it succeeded."""
        return self.status == 0

    @property
    def last(self) -> str:
        """Its last line: a result, or what was raised."""
        return self.lines[-1] if self.lines else f"ended with status {self.status}"


def run(arguments: list[str], **environment: str) -> Said:
    """Runs this Python."""
    done = subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", **environment},
    )
    text = done.stdout if done.returncode == 0 else done.stderr
    return Said(done.returncode, text.strip().splitlines())


def _has_kernels() -> bool:
    try:
        return _library.is_built()
    except ImportError:  # GRADOPS_CPU_TARGET names what this machine does not run
        return False


def _fix_of_kernels(error: str) -> str:
    if "GRADOPS_CPU_TARGET" in error:
        return "unset GRADOPS_CPU_TARGET"
    return "pip install --force-reinstall gradops, or pip install . in a checkout"


def _processor() -> str:
    known = ""
    with contextlib.suppress(OSError):
        flags = Path("/proc/cpuinfo").read_text().split()
        known = " ".join(flag for flag in ("avx", "avx2", "avx512f", "avx512bw") if flag in flags)
    return f"{platform.machine()}, {os.cpu_count()} cores, {known}".rstrip(", ")
