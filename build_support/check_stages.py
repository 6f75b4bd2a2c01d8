"""Stages of a check on a machine with a GPU: each runs and is reported, whatever came before it."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

# What pytest and compute-sanitizer end with.
_COUNTS = re.compile(r"\b\d+ (?:passed|failed|skipped|deselected|errors?)\b")
_PYTEST_END = re.compile(r"\b(?:passed|failed|skipped|deselected|errors?)\b.* in [\d.]+s")
_SANITIZER_END = re.compile(r"(?:ERROR|RACECHECK) SUMMARY: (.*)")
_STEP_LIMIT = 580.0  # Seconds.


@dataclasses.dataclass(frozen=True)
class Result:
    """How a step of a stage ended; `said`: counts, or why it did not run."""

    stage: str
    step: str
    ok: bool
    said: str
    seconds: float


class Check:
    """Runs steps, keeps what they print, and remembers how each ended.

    Args:
        name: Of the program, before its messages.
        folder: Where commands run; made if it is not there.
        logs: Where the output of each step goes, as STEP.log.
        paths: Where commands find Python modules, before what PYTHONPATH names already.
    """

    def __init__(self, name: str, folder: Path, logs: Path, paths: list[Path]) -> None:
        self.results: list[Result] = []
        self.stage = ""
        self._name, self._folder, self._logs = name, folder, logs
        known = os.environ.get("PYTHONPATH", "").split(os.pathsep)
        path = os.pathsep.join([*map(str, paths), *filter(None, known)])
        self._environment = {**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONPATH": path}
        for made in (folder, logs):
            made.mkdir(parents=True, exist_ok=True)

    def call(
        self,
        step: str,
        *command: str,
        limit: float = _STEP_LIMIT,
        tail: int = 0,
        show: str = "",
        **environment: str,
    ) -> bool:
        """Runs a command as a step and returns whether it ended with status 0 within the limit.

        Args:
            step: Its name, unique in the check.
            command: The command.
            limit: Seconds, after which it and what it started are ended.
            tail: How many of its last lines are printed again when it is over.
            show: A pattern; what matches it is printed again when it is over.
            environment: Variables.
        """
        print(f"\n+ [{step}]", *command, flush=True)
        start = time.monotonic()
        lines: list[str] = []
        try:
            status, late = self._run(step, command, limit, environment, lines)
        except OSError as error:
            return self.note(step, False, f"{command[0]}: {error.strerror}")
        seconds = time.monotonic() - start
        if tail:
            print(f"--- last lines of {step}:", *lines[-tail:], sep="\n", flush=True)
        if show:
            print(f"--- of {step}:", *filter(re.compile(show).search, lines), sep="\n", flush=True)
        said = _ending(lines)
        if late:
            said = f"ended after {limit:.0f} s; {said}"
        elif status != 0:
            said = f"exit status {status}; {said}"
        return self.note(step, status == 0 and not late, said.strip("; ") or "done", seconds)

    def note(self, step: str, ok: bool, said: str, seconds: float = 0.0) -> bool:
        """Adds a result and returns `ok`."""
        self.results.append(Result(self.stage, step, ok, said, seconds))
        print(f"[{step}] {'ok' if ok else 'FAILED'}: {said} ({seconds:.1f} s)", flush=True)
        return ok

    def run(
        self,
        chosen: Iterable[str],
        stages: Mapping[str, Callable[[], None]],
        is_built: Callable[[], bool],
    ) -> int:
        """Runs the chosen stages, those after "build" only of what is built; see `finish`."""
        for name in chosen:
            self.stage = name
            if name != "build" and not is_built():
                self.note(name, False, "not run: there is no build")
                continue
            stages[name]()
        return self.finish()

    def finish(self) -> int:
        """Prints a line for each stage and step; returns the exit status of the program."""
        print(f"\n{self._name}: summary")
        for stage in dict.fromkeys(result.stage for result in self.results):
            steps = [result for result in self.results if result.stage == stage]
            passed = sum(result.ok for result in steps)
            word = "ok" if passed == len(steps) else "FAILED"
            seconds = sum(result.seconds for result in steps)
            print(f"{word:6} {stage}: {passed} of {len(steps)} steps passed, {seconds:.1f} s")
            for result in steps:
                mark = "ok" if result.ok else "FAILED"
                print(f"    {mark:6} {result.step}: {result.said} ({result.seconds:.1f} s)")
        return 0 if self.results and all(result.ok for result in self.results) else 1

    def _run(
        self,
        step: str,
        command: tuple[str, ...],
        limit: float,
        environment: dict[str, str],
        lines: list[str],
    ) -> tuple[int, bool]:
        """(exit status, whether it was ended); what it prints goes to `lines` too."""
        process = subprocess.Popen(
            command,
            cwd=self._folder,
            env={**self._environment, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            preexec_fn=os.setpgrp,  # so that all that it starts can be ended with it
        )
        late = threading.Event()

        def end() -> None:
            late.set()
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)

        timer = threading.Timer(limit, end)
        timer.start()
        try:
            with (self._logs / f"{step}.log").open("w") as log:
                assert process.stdout is not None
                for line in process.stdout:
                    print(line, end="", flush=True)
                    log.write(line)
                    lines.append(line.rstrip("\n"))
            return process.wait(), late.is_set()
        finally:
            timer.cancel()
            if process.poll() is None:  # we are being interrupted
                end()


def choose(text: str, allowed: Iterable[str], option: str = "--stages") -> list[str]:
    """The stages that `--stages` names, or the like, in their own order.

    Raises:
        SystemExit: One of them is none.
    """
    allowed = list(allowed)
    names = [name.strip() for name in text.split(",")]
    for name in names:
        if name not in allowed:
            raise SystemExit(f"{option}: got {name!r}, expected some of {','.join(allowed)}")
    return [name for name in allowed if name in names]


def _ending(lines: list[str]) -> str:
    """What is counted in the last lines of pytest and compute-sanitizer."""
    counts = [line for line in lines if _PYTEST_END.search(line)]
    said = _COUNTS.findall(counts[-1]) if counts else []
    for line in lines:
        if found := _SANITIZER_END.search(line):
            said.append(found.group(1))
    return ", ".join(said)
