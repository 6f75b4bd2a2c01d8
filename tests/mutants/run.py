"""Puts each small fault of a table into a copy of the tree, and sees which test catches it.

The table is the TOML files beside this one: of each fault the file, the text there, what replaces
it, what that breaks, and the tests that are expected to notice. Every fault is applied alone. Those
tests run first, then the whole quick suite, until the first failure. A fault that lives is a
missing test. Needs Python 3.11 or later.

    python tests/mutants/run.py                    all faults; takes hours, may be interrupted
    python tests/mutants/run.py --only "memo-*"    some of them
    python tests/mutants/run.py --again            also those that have lived before
    python tests/mutants/run.py --check            only whether the texts are still in the code

Results are lines of JSON. A fault that has one is not tried again unless the table has changed.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from table import NO_BUILD, NOTHING, Mutant, check, read_results, read_table, show

# It compares the table with the code, which a mutant has just changed.
OWN_TEST = "test_mutants.py"
# The targets of the build. The emulation takes as long as the product, and few tests need it.
PRODUCT, EMULATION = "all", "cuda_emulation"


class Worker:
    """A copy of the tree, its build and its tests."""

    def __init__(self, folder: Path, arguments: argparse.Namespace):
        self.folder, self.arguments = folder, arguments
        self.pytest: subprocess.Popen[str] | None = None
        # No bytecode: a fault may come and go within the second that its time stamps have.
        self.environment = os.environ | {
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
            "PYTHONPATH": str(folder),
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    def prepare(self) -> None:
        """Brings the copy up to date, whatever an interrupted run has left, and builds it."""
        tree = self.arguments.tree
        command = ["git", "ls-files", "-z"]
        listed = subprocess.run(command, cwd=tree, check=True, capture_output=True, text=True)
        files = [name for name in listed.stdout.split("\0") if (tree / name).is_file()]
        manifest = self.folder / "build" / "files.json"
        before = json.loads(manifest.read_text()) if manifest.is_file() else []
        for name in set(before) - set(files):
            (self.folder / name).unlink(missing_ok=True)
        for name in files:
            _copy_if_changed(tree / name, self.folder / name)
        manifest.parent.mkdir(parents=True, exist_ok=True)
        manifest.write_text(json.dumps(files))
        if self.arguments.no_build:
            for library in [*tree.glob("gradops/*.so"), *tree.glob("build/emulation/*.so")]:
                _copy_if_changed(library, self.folder / library.relative_to(tree))
            return
        self._configure()
        for target in (PRODUCT, EMULATION):
            log = self.build(target)
            if log is not None:
                sys.exit(f"the tree itself does not build:\n{log}")

    def _configure(self) -> None:
        options = {
            "GRADOPS_DEV": "ON",  # one instruction set
            "GRADOPS_OUTPUT_DIR": self.folder / "gradops",
            "Python_EXECUTABLE": sys.executable,
        }
        command = ["cmake", "-S", str(self.folder), "-B", str(self.folder / "build/dev"), "-G"]
        command += ["Ninja", *(f"-D{name}={value}" for name, value in options.items())]
        subprocess.run(command, env=self.environment, check=True, stdout=subprocess.DEVNULL)

    def build(self, target: str) -> str | None:
        """Compiles what has changed. Returns None, or what the compiler says."""
        command = ["cmake", "--build", str(self.folder / "build/dev"), "--target", target]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True)
        return None if done.returncode == 0 else (done.stdout + done.stderr)[-4000:]

    def try_mutant(self, mutant: Mutant) -> dict[str, Any]:
        """The result of a mutant; the file is what it was afterwards."""
        path = self.folder / mutant.file
        original = path.read_text("utf-8")
        begin = time.monotonic()
        path.write_text(original.replace(mutant.text, mutant.replacement), "utf-8")
        try:
            result = self._run_built(mutant)
        finally:
            path.write_text(original, "utf-8")
        seconds = round(time.monotonic() - begin, 1)
        return {"name": mutant.name, "digest": mutant.digest(), "seconds": seconds, **result}

    def _run_built(self, mutant: Mutant) -> dict[str, str]:
        """Runs the tests on a mutant until the first failure, and builds what that takes."""
        expected = self.expected(mutant.tests)
        on_device = [name for name in expected if "cuda" in name]
        steps = [(PRODUCT, [name for name in expected if name not in on_device])]
        steps += [(EMULATION, on_device)]
        if not self.arguments.hinted:
            steps += [(EMULATION, ["tests"])]
        for target, paths in steps:
            if not paths:
                continue
            # Also for a fault in Python: the library may be that of the fault before.
            log = None if self.arguments.no_build else self.build(target)
            if log is not None:
                return {"caught_by": NO_BUILD, "log": log}
            caught_by = self.run_suite(paths)
            if caught_by != NOTHING:
                return {"caught_by": caught_by}
        return {"caught_by": NOTHING}

    def expected(self, hints: Iterable[str]) -> list[str]:
        """The test files that hints name."""
        paths = {path for glob in hints for path in self.folder.glob(glob)}
        return sorted(str(path.relative_to(self.folder)) for path in paths)

    def run_suite(self, paths: list[str]) -> str:
        """Runs tests until the first failure, and returns what that was."""
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-m", "not extended", *paths]
        command += ["-p", "no:cacheprovider", f"--ignore=tests/{OWN_TEST}"]
        self.pytest = subprocess.Popen(
            command,
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        try:
            output, _ = self.pytest.communicate(timeout=self.arguments.timeout)
        except subprocess.TimeoutExpired:
            return "timeout"
        finally:
            self.stop()
        return _caught_by(self.pytest.returncode, output)

    def stop(self) -> None:
        """Ends the tests, with all that they have started."""
        if self.pytest is not None and self.pytest.poll() is None:
            os.killpg(self.pytest.pid, signal.SIGKILL)
            self.pytest.wait()


def _caught_by(status: int, output: str) -> str:
    """What pytest's exit status and output say."""
    if status in (0, 5):  # 5: no test was left
        return NOTHING
    if status < 0 or "Fatal Python error" in output:
        return "crash"
    named = re.search(r"^(?:FAILED|ERROR) (.+?)(?: - .*)?$", output, re.MULTILINE)
    if status == 1:
        return named.group(1) if named else "a failure that pytest does not name"
    return "import" + (f" of {named.group(1)}" if named else f": {output[-1000:]}")


def _copy_if_changed(source: Path, target: Path) -> None:
    """Leaves what is the same alone, so that it is not compiled again."""
    if target.is_file() and target.read_bytes() == source.read_bytes():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(source, target)


def run(mutants: list[Mutant], arguments: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """Tries every mutant that has no result yet, and returns all results."""
    results = read_results(arguments.results, mutants)
    waiting: queue.SimpleQueue[Mutant] = queue.SimpleQueue()
    for mutant in mutants:
        row = results.get(mutant.name)
        is_open = row is None or (arguments.again and row["caught_by"] in (NOTHING, NO_BUILD))
        if is_open and not (arguments.no_build and mutant.is_compiled()):
            waiting.put(mutant)
    if waiting.empty():
        return results
    workers = [Worker(arguments.work / f"worker-{i}", arguments) for i in range(arguments.workers)]
    for worker in workers:
        worker.prepare()
    if not arguments.no_baseline:
        hints = {hint for mutant in mutants for hint in mutant.tests} if arguments.hinted else ()
        failed = workers[0].run_suite(workers[0].expected(hints) or ["tests"])
        if failed != NOTHING:
            sys.exit(f"the tree itself, without any fault, fails: {failed}")
    lock = threading.Lock()

    def work(worker: Worker) -> None:
        while not waiting.empty():
            try:
                mutant = waiting.get_nowait()
            except queue.Empty:
                return
            result = worker.try_mutant(mutant)
            with lock:
                results[mutant.name] = result
                print(f"{mutant.name}: {result['caught_by']}", flush=True)
                # If the expected tests alone were run, what lives is still open.
                if not (arguments.hinted and result["caught_by"] == NOTHING):
                    with arguments.results.open("a", encoding="utf-8") as file:
                        file.write(json.dumps(result) + "\n")

    threads = [threading.Thread(target=work, args=[worker], daemon=True) for worker in workers]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    except KeyboardInterrupt:
        for worker in workers:
            worker.stop()
        sys.exit("interrupted: the next run goes on from here")
    return results


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    root = Path(__file__).resolve().parents[2]
    parser.add_argument("--tree", type=Path, default=root, help="the checkout that is copied")
    parser.add_argument("--work", type=Path, help="where copies are made (build/mutants)")
    parser.add_argument("--results", type=Path, help="a file (results.jsonl beside the copies)")
    parser.add_argument("--only", nargs="+", default=["*"], metavar="GLOB", help="names of faults")
    parser.add_argument("--again", action="store_true", help="also those that have lived before")
    parser.add_argument("--workers", type=int, default=1, help="copies that are tried at once")
    parser.add_argument("--timeout", type=float, default=3600, help="seconds for a pytest call")
    parser.add_argument("--hinted", action="store_true", help="run the expected tests alone")
    parser.add_argument("--no-build", action="store_true", help="no C++: the checkout's libraries")
    parser.add_argument("--no-baseline", action="store_true", help="trust the tree without a fault")
    parser.add_argument("--check", action="store_true", help="only compare the table and the code")
    arguments = parser.parse_args()
    arguments.tree = arguments.tree.resolve()
    arguments.work = (arguments.work or arguments.tree / "build/mutants").resolve()
    arguments.results = arguments.results or arguments.work / "results.jsonl"
    arguments.results.parent.mkdir(parents=True, exist_ok=True)
    wrong = check(read_table(), arguments.tree)
    if wrong or arguments.check:
        print("\n".join(wrong) or "every text is in its file, once")
        return 1 if wrong else 0
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    mutants = [m for m in read_table() if any(fnmatch.fnmatch(m.name, g) for g in arguments.only)]
    return 0 if show(mutants, run(mutants, arguments)) else 1


if __name__ == "__main__":
    sys.exit(main())
