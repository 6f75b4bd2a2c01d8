"""`make gpu-check`: its stages, in a folder of stand-ins for what they build and run."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "build_support"))

import check_stages  # noqa: E402

# "Builds" a module of Python beside a file that is named as a built one.
CMAKE = """#!/bin/sh
for argument; do case $argument in
-DGRADOPS_OUTPUT_DIR=*) folder=${argument#*=}
    touch "$folder/_kernels.stand-in.so"
    cat > "$folder/_kernels.py" <<'END'
class cuda:
    check_driver = staticmethod(lambda: "DRIVER")
def build_info():
    return {"cuda_toolkit": "13.0"}
END
esac; done
echo cmake "$@"
"""
SANITIZER = """#!/bin/sh
tool=$2
while [ "$1" != "PYTHON" ]; do shift; done
"$@"
status=$?
echo "========= ERROR SUMMARY: 0 errors of $tool"
exit $status
"""
# Prints what it was asked for between lines that say nothing.
NCU = """#!/bin/sh
echo "==PROF== Connected"
for last; do :; done
echo "    Duration   us   47.1 of $last"
echo "    Grid Size  132"
"""
TESTS = ["kernels", "sanitize", "memory", "device", "large", "product"]
COUNTED = ["64x512x512x3-float32: done", "8x2048x2048x4-float32: done"]
COUNTED += ["64x512x512x1-float32: done", "64x512x512x3-bfloat16: done"]
TOOLS = ["memcheck", "racecheck", "initcheck", "synccheck"]
PASSES = """
import os, pytest
def test_it():
    assert os.environ["GRADOPS_TEST_CUDA"] == "device"
@pytest.mark.extended
def test_at_length():
    pass
"""
FAILS = "\ndef test_that_fails():\n    assert 1 == 2\n"
INI = '[tool.pytest.ini_options]\nmarkers = ["extended: long"]\n'


class Copy:
    """A checkout of stand-ins, and how the check goes there."""

    def __init__(self, folder):
        self.folder, self.bin = folder, folder / "bin"
        for name in ("gradops", "tests", "benchmarks", "build_support", "bin", "modules"):
            (folder / name).mkdir()
        for name in ("gpu_check.py", "check_stages.py"):
            shutil.copy(ROOT / "build_support" / name, folder / "build_support")
        (folder / "pyproject.toml").write_text(INI)
        (folder / "gradops" / "__init__.py").write_text("")
        (folder / "benchmarks" / "gpu.py").write_text("print('a table')\n")
        (folder / "modules" / "cupy.py").write_text("")
        for name in TESTS:
            (folder / "tests" / f"test_cuda_{name}.py").write_text(PASSES)
        self.program("nvcc", "#!/bin/sh\n")
        self.program("cmake", CMAKE.replace("DRIVER", ""))
        self.program("compute-sanitizer", SANITIZER.replace("PYTHON", sys.executable))

    def program(self, name, text):
        (self.bin / name).write_text(text)
        (self.bin / name).chmod(0o755)

    def run(self, *arguments, **environment):
        """(exit status, what is said, the summary's lines)."""
        path = os.pathsep.join([str(self.bin), "/usr/bin", "/bin"])
        environment = {"PATH": path, "PYTHONPATH": str(self.folder / "modules"), **environment}
        result = subprocess.run(
            [sys.executable, self.folder / "build_support" / "gpu_check.py", *arguments],
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
        )
        said = result.stdout + result.stderr
        return result.returncode, said, said.partition("gpu-check: summary\n")[2].splitlines()


@pytest.fixture
def copy(tmp_path):
    return Copy(tmp_path)


def starts(lines, *wanted):
    assert [line.split(" (")[0].split(", ")[0] for line in lines] == list(wanted), lines


@pytest.mark.extended
def test_all_stages(copy):
    status, said, summary = copy.run("--stages", "build,tests,sanitize,bench", "--full")
    assert status == 0, said
    starts(
        summary,
        "ok     build: 3 of 3 steps passed",
        *[f"    ok     {step}: done" for step in ("configure", "compile", "driver")],
        "ok     tests: 6 of 6 steps passed",
        *[f"    ok     tests-{name}: 2 passed" for name in TESTS],
        "ok     sanitize: 4 of 4 steps passed",
        *[f"    ok     {tool}: 2 passed" for tool in TOOLS],
        "ok     bench: 1 of 1 steps passed",
        "    ok     bench: done",
    )
    assert "racecheck: 2 passed, 0 errors of racecheck" in said and "a table" in said
    assert "-DGRADOPS_TF=OFF" in said and "-DGRADOPS_CUDA_ARCHS=native" in said
    logs = sorted(path.name for path in (copy.folder / "build/gpu-check/logs").iterdir())
    assert "tests-large.log" in logs and "memcheck.log" in logs and len(logs) == 3 + 6 + 4 + 1


@pytest.mark.extended
def test_counters_and_variants(copy):
    copy.program("ncu", NCU)
    (copy.folder / "benchmarks" / "gpu.py").write_text(
        "import gradops, sys\nprint(gradops.__file__, *sys.argv[1:])\n"
    )
    status, said, summary = copy.run(
        "--stages", "build,counters,variants", "--variants", "before,ring-64"
    )
    assert status == 0, said
    starts(
        summary,
        "ok     build: 7 of 7 steps passed",
        *[f"    ok     {step}-before: done" for step in ("configure", "compile")],
        *[f"    ok     {step}-ring-64: done" for step in ("configure", "compile")],
        *[f"    ok     {step}: done" for step in ("configure", "compile", "driver")],
        "ok     counters: 4 of 4 steps passed",
        *[f"    ok     counters-{case}" for case in COUNTED],
        "ok     variants: 2 of 2 steps passed",
        *[f"    ok     variant-{name}: done" for name in ("before", "ring-64")],
    )
    shown = said.split("--- of counters-64x512x512x3-bfloat16:\n")[1].splitlines()
    assert shown[0] == "    Duration   us   47.1 of bfloat16" and "Grid" not in shown[1]
    assert "FETCH=0;GRADOPS_CUDA_MOST_THREADS=256;GRADOPS_CUDA_WAVES=0" in said
    for name in ("before", "ring-64"):
        folder = copy.folder / f"build/gpu-check-{name}/site/gradops/__init__.py"
        assert f"{folder} --only bandwidth --dtypes float32,bfloat16" in said
    assert "--variants: got 'no', expected some of before," in copy.run("--variants", "no")[1]


@pytest.mark.extended
def test_stages_after_one_that_fails_run(copy):
    (copy.folder / "tests" / "test_cuda_kernels.py").write_text(PASSES + FAILS)
    status, said, summary = copy.run()
    assert status == 1
    assert "FAILED tests: 4 of 5 steps passed" in "\n".join(summary)
    assert "tests-kernels: exit status 1; 1 failed, 1 passed, 1 deselected" in said
    assert summary[-1].startswith("    ok     bench: done")


@pytest.mark.extended
def test_without_a_build_nothing_else_runs(copy):
    copy.program("cmake", "#!/bin/sh\necho broken; exit 3\n")
    status, said, summary = copy.run()
    assert status == 1 and "broken" in said
    starts(
        summary,
        "FAILED build: 0 of 1 steps passed",
        "    FAILED configure: exit status 3",
        "FAILED tests: 0 of 1 steps passed",
        "    FAILED tests: not run: there is no build",
        "FAILED bench: 0 of 1 steps passed",
        "    FAILED bench: not run: there is no build",
    )


@pytest.mark.extended
def test_what_is_missing_is_named_and_the_rest_runs(copy):
    (copy.bin / "compute-sanitizer").unlink()
    status, said, summary = copy.run("--sanitize")
    assert status == 1
    assert "sanitize needs: there is no compute-sanitizer on PATH" in said
    assert summary[-1].startswith("    ok     bench: done")
    (copy.folder / "modules" / "cupy.py").unlink()
    assert "has no cupy: install it, or set PYTHON" in copy.run("--stages", "build,tests")[1]


def test_a_step_that_takes_too_long_is_ended_with_what_it_started(tmp_path, capsys):
    check = check_stages.Check("a check", tmp_path, tmp_path / "logs", [])
    check.stage = "waits"
    script = f"echo begun; {sys.executable} -c 'import time; time.sleep(60)'; echo never"
    assert not check.call("wait", "sh", "-c", script, limit=1.0, tail=1)
    assert check.results[0].seconds < 30
    assert check.call("go on", "sh", "-c", "echo 3 passed in 0.01s")
    assert not check.call("nothing", "no-such-program")
    assert check.finish() == 1
    said = capsys.readouterr().out
    assert "ended after 1 s" in said and "never" not in said.replace("echo never", "")
    assert "3 passed" in said and "no-such-program: No such file" in said
    assert (tmp_path / "logs" / "wait.log").read_text() == "begun\n"
