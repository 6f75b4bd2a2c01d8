"""Which adapter serves which TensorFlow, what is said where none does, and building one."""

import contextlib
import os
import stat
import sys

import pytest
import tensorflow as tf
from subprocess_tools import run_command, run_python

import gradops
from gradops import _adapters, _library
from gradops._commands import build

MINOR = _adapters.minor_version(tf.__version__)
# As a process sees it whose TensorFlow says that it is of another version.
IMPORT = (
    "import tensorflow as tf; tf.__version__ = {!r}; import gradops; print(gradops.build_info())"
)


def own_adapter():
    return _adapters.require(_library.version())


def last_line(result):
    assert result.returncode == 1, result.stdout
    return result.stderr.strip().splitlines()[-1]


def test_an_adapter_says_what_it_was_compiled_for():
    assert MINOR in _adapters.in_package() or "GRADOPS_CACHE" in os.environ
    for minor, adapter in _adapters.in_package().items():
        assert _adapters.minor_version(_adapters.version_of(adapter)) == minor
        assert not _adapters.fault_of(adapter)
    assert list(_adapters.in_package()) == gradops.build_info()["tensorflow_versions"]


def test_adapters_are_ordered_as_versions_are(tmp_path, monkeypatch):
    for name in ("2_9", "2_10", "3_0", "2_21", "nonsense"):
        (tmp_path / f"libgradops_ops_{name}.so").touch()
    monkeypatch.setattr(_adapters, "_PACKAGE", tmp_path)
    assert list(_adapters.in_package()) == ["2.9", "2.10", "2.21", "3.0"]


def test_one_that_was_built_here_comes_first(tmp_path, monkeypatch):
    """It serves one version of gradops and one of TensorFlow, so upgrades of either leave it."""
    monkeypatch.setenv("GRADOPS_CACHE", str(tmp_path))
    assert _adapters.find("0.1", f"{MINOR}.7") == _adapters.in_package().get(MINOR)
    path = _adapters.built_path("0.1", f"{MINOR}.7")
    path.parent.mkdir()
    path.touch()
    assert path.is_relative_to(tmp_path) and _adapters.find("0.1", f"{MINOR}.7") == path
    for others in (("0.2", f"{MINOR}.7"), ("0.1", f"{MINOR}.8")):
        assert _adapters.find(*others) == _adapters.in_package().get(MINOR)
    assert _adapters.find("0.1", "2.99.0") is None
    # The structures that it shares with the kernels are those of one build.
    kernels = tmp_path / "kernels.so"
    kernels.write_bytes(b"of another build")
    monkeypatch.setattr(_adapters, "KERNELS", kernels)
    assert _adapters.find("0.1", f"{MINOR}.7") == _adapters.in_package().get(MINOR)


def test_a_nightly_is_not_the_release():
    assert _adapters.find("0.1", f"{MINOR}.0") is not None
    assert _adapters.find("0.1", f"{MINOR}.0-dev20270101") is None


def test_without_a_home_folder(monkeypatch):
    for name in ("HOME", "XDG_CACHE_HOME", "GRADOPS_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)  # as of a user that has none
    assert _adapters.find("0.1", f"{MINOR}.0") == _adapters.in_package()[MINOR]


@pytest.mark.parametrize(
    ("installed", "command"),
    [
        ({}, "pip install 'tensorflow-cpu==2.21.*'"),
        ({"tensorflow": "2.15.1"}, "pip install 'tensorflow==2.21.*'"),
        ({"tensorflow": "2.18.1"}, "pip install 'tensorflow==2.18.*'"),
        ({"tf-nightly": "2.22.0.dev1"}, "pip uninstall -y tf-nightly; pip install 'tensorflow=="),
        (
            {"tensorflow": "2.18.1", "tensorflow-cpu": "2.21.0"},
            "pip uninstall -y tensorflow-cpu; pip install 'tensorflow==2.18.*'",
        ),
    ],
)
def test_the_tensorflow_that_serves(installed, command, monkeypatch):
    monkeypatch.setattr(_adapters, "installed_tensorflow", lambda: installed)
    monkeypatch.setattr(_adapters, "in_package", lambda: dict.fromkeys(["2.18", "2.21"]))
    assert _adapters.install_command().startswith(command)


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, os.path.expanduser("~/.cache/gradops")),
        ({"XDG_CACHE_HOME": "/xdg"}, "/xdg/gradops"),
        ({"XDG_CACHE_HOME": "/xdg", "GRADOPS_CACHE": "/own"}, "/own"),
    ],
)
def test_where_they_are_built(variables, expected, monkeypatch):
    for name in ("XDG_CACHE_HOME", "GRADOPS_CACHE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert str(_adapters.cache()) == expected


@pytest.mark.parametrize(
    "version", ["2.99.0", pytest.param("3.0.0-dev20270101", marks=pytest.mark.extended)]
)
def test_no_adapter_for_this_tensorflow(version):
    said = last_line(run_python(IMPORT.format(version), GRADOPS_BACKEND="fused"))
    assert said.startswith(f"ImportError: gradops has no adapter for TensorFlow {version}")
    assert "python -m gradops build" in said
    newest = list(_adapters.in_package())[-1]
    assert f"pip install '{next(iter(_adapters.installed_tensorflow()))}=={newest}.*'" in said


def test_the_fallback_names_the_command():
    result = run_python(IMPORT.format("2.99.0"), GRADOPS_BACKEND=None)
    assert result.returncode == 0, result.stderr
    assert "RuntimeWarning: gradops composes its losses" in result.stderr
    assert "python -m gradops build" in result.stderr
    assert "'backend': 'composite'" in result.stdout


def test_a_tensorflow_that_is_too_old():
    """Nothing is composed of its ops either."""
    said = last_line(run_python(IMPORT.format("2.15.1"), GRADOPS_BACKEND=None))
    assert said.startswith("ImportError: gradops needs TensorFlow 2.16 or later, got 2.15.1: pip ")


@pytest.mark.extended
def test_another_patch_version_is_fine():
    result = run_python(IMPORT.format(f"{MINOR}.99"), GRADOPS_BACKEND="fused")
    assert result.returncode == 0, result.stderr


def damaged(kind):
    whole = own_adapter().read_bytes()
    if kind == "cut":
        return whole[: len(whole) // 2]
    if kind == "text":
        return b"<html>not found</html>" * 9
    if kind == "empty":
        return b""
    if kind == "other symbols":  # as of a TensorFlow of the same version that was built otherwise
        return whole.replace(b"10tensorflow8OpKernel", b"10tensorflow8OpKernol")
    return whole[:18] + b"\xb7\x00" + whole[20:]  # of an AArch64


@pytest.fixture
def adapter_of(tmp_path, monkeypatch):
    """Puts a damaged adapter where one that was built here would be; returns its path."""
    monkeypatch.setenv("GRADOPS_CACHE", str(tmp_path))
    path = _adapters.built_path(_library.version(), tf.__version__)

    def put(kind):
        whole = damaged(kind)
        path.parent.mkdir()
        path.write_bytes(whole)
        return path

    return put


@pytest.mark.parametrize(
    ("kind", "fault"),
    [
        ("cut", "damaged: its end is missing"),
        ("text", "not a shared library, or damaged"),
        ("empty", "not a shared library, or damaged"),
        ("other machine", "built for another kind of processor"),
    ],
)
def test_an_adapter_that_is_damaged(kind, fault, adapter_of):
    path = adapter_of(kind)
    with pytest.raises(ImportError) as raised:
        _adapters.require(_library.version())
    said = str(raised.value)
    assert said.startswith(f"gradops cannot load {path}: it ")
    assert fault in said and said.endswith("python -m gradops build")


@pytest.mark.parametrize(
    ("kind", "fault"), [("cut", "its end is missing"), ("other symbols", "undefined symbol")]
)
def test_importing_with_such_an_adapter(kind, fault, adapter_of):
    """A message, where the loader would end the process."""
    adapter_of(kind)
    said = last_line(run_python("import gradops", GRADOPS_BACKEND="fused"))
    assert said.startswith("ImportError: gradops cannot load ")
    assert fault in said and said.endswith("python -m gradops build")


# A compiler that makes objects of nothing and, as a library, the adapter that is there. It fails
# for sources of the name in BREAKS.
COMPILER = """#!/bin/sh
case "$*" in *"$BREAKS"*) echo "$BREAKS: error: no such header" >&2; exit 1;; esac
echo "$*" >> "$LOG"
while [ $# -gt 1 ]; do [ "$1" = -o ] && out=$2; shift; done
cp "$ADAPTER" "$out"
"""


@pytest.fixture
def compiler(tmp_path, monkeypatch):
    """Sets the fake compiler up; the commands that it was called with are in the file returned."""
    program, log = tmp_path / "compiler", tmp_path / "commands"
    program.write_text(COMPILER)
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    variables = {
        "CXX": f"{program} -m64",
        "LOG": log,
        "ADAPTER": own_adapter(),
        "BREAKS": "nothing",
    }
    for name, value in {**variables, "GRADOPS_CACHE": tmp_path / "cache"}.items():
        monkeypatch.setenv(name, str(value))
    return log


def test_building_calls_the_compiler(compiler, tmp_path):
    adapter, without_xla = build.build()
    assert adapter == _adapters.built_path(_library.version(), tf.__version__)
    assert not without_xla and adapter.is_relative_to(tmp_path / "cache")
    *objects, linked = compiler.read_text().splitlines()
    assert {"ops.cc", "kernels.cc", "xla_kernels.cc"} <= {
        word.rpartition("/")[2] for line in objects for word in line.split()
    }
    major, minor = map(int, MINOR.split("."))
    for line in objects:
        assert (
            line.startswith("-m64 -O2") and f"-DGRADOPS_TENSORFLOW={1000 * major + minor}" in line
        )
        assert f"-isystem{tf.sysconfig.get_include()}" in line and "--std=c++" in line
    assert "-shared" in linked and "libgradops_kernels.so" in linked
    assert not [path for path in adapter.parent.iterdir() if path != adapter]


@contextlib.contextmanager
def audited():
    """What this process opens, starts and connects to, as Python's audit events."""
    events, is_over = [], False
    sys.addaudithook(lambda event, args: is_over or events.append((event, args)))
    yield events
    is_over = True  # a hook stays


def test_building_runs_no_shell_and_writes_to_the_cache_alone(compiler, tmp_path):
    with audited() as events:
        build.build()
    started = [args[:2] for event, args in events if event == "subprocess.Popen"]
    programs = {str(tmp_path / "compiler"), sys.executable}
    assert len(started) > 4 and {command[0] for _, command in started} == programs
    assert all(program in (None, command[0]) for program, command in started)
    assert not [x for x in events if x[0].startswith(("os.system", "os.exec", "socket."))]
    writes = os.O_WRONLY | os.O_RDWR | os.O_CREAT
    changed = [path for event, (path, _, flags) in named(events, "open") if flags & writes]
    for event in ("os.mkdir", "os.rename", "os.remove", "shutil.rmtree"):
        # What is relative to a folder (dir_fd, the last argument) is in that folder.
        changed += [args[0] for _, args in named(events, event) if args[-1] in (-1, None)]
    changed = [os.fspath(path) for path in changed if not isinstance(path, int)]
    cache = str(tmp_path / "cache")
    assert changed and not [path for path in changed if not path.startswith(cache)]


def named(events, name):
    return [event for event in events if event[0] == name]


def test_without_xla_where_its_headers_have_changed(compiler, monkeypatch, capsys):
    monkeypatch.setenv("BREAKS", "xla_kernels.cc")
    assert build.main() == 0
    said = capsys.readouterr().out
    assert "without XLA" in said and "xla_kernels.cc: error: no such header" in said
    assert "/xla_kernels.o" not in compiler.read_text().splitlines()[-1]


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"BREAKS": "tf/kernels.cc"}, "does without. kernels.cc:\n"),
        ({"BREAKS": "-shared"}, "the linker fails:"),
        ({"CXX": "/no/such/compiler -O1"}, "there is no C++ compiler (CXX=/no/such/compiler): "),
        ({"GRADOPS_CACHE": "/proc/no"}, "GRADOPS_CACHE=FOLDER python -m gradops build"),
        ({"ADAPTER": os.__file__}, "the adapter was compiled and does not work:"),
    ],
)
def test_what_a_build_says(variables, message, compiler, monkeypatch, capsys):
    earlier = _adapters.built_path(_library.version(), tf.__version__)
    earlier.parent.mkdir(parents=True)
    earlier.write_text("an adapter that works")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert build.main() == 1
    assert earlier.read_text() == "an adapter that works"
    said = capsys.readouterr().err
    assert said.startswith("gradops: ") and message in said


def test_a_tensorflow_without_headers(compiler, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(tf.sysconfig, "get_include", lambda: str(tmp_path))
    assert build.main() == 1
    assert f"this TensorFlow has no headers in {tmp_path}" in capsys.readouterr().err


@pytest.mark.extended  # half a minute, and test-oldest builds one too
def test_a_real_build(tmp_path):
    """By the compiler of this machine; then it is what is loaded."""
    variables = {"GRADOPS_CACHE": str(tmp_path), "GRADOPS_BACKEND": "fused"}
    built = run_command("build", **variables)
    assert built.returncode == 0, built.stderr
    (adapter,) = tmp_path.glob("*/libgradops_ops.so")
    assert str(adapter) in built.stdout
    tried = run_python(
        "from gradops import _adapters, _library\n"
        "from gradops._commands import self_test; self_test.ops()\n"
        "print(_adapters.require(_library.version()))",
        **variables,
    )
    assert tried.returncode == 0, tried.stderr
    assert "XLA on /device:CPU:0: " in tried.stdout and tried.stdout.endswith(f"{adapter}\n")
