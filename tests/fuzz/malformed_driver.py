"""Runs the cases of malformed.py in worker processes, so that a crash and a hang count."""

import collections
import json
import queue
import signal
import subprocess
import sys
import threading
from pathlib import Path

# A new worker now and then: TensorFlow keeps what it has traced and compiled.
CASES_OF_A_WORKER = 2000
START = 300  # seconds in which a worker imports TensorFlow


def drive(first, count, *, front=None, timeout=60, report=print):
    """Runs cases in workers; returns [(seed, what is wrong)] and a count of outcomes."""
    faults, outcomes = [], collections.Counter()
    end = first + count
    while first < end:
        worker = Worker(first, min(CASES_OF_A_WORKER, end - first), front)
        for seed, what, outcome, fault in worker.cases(timeout):
            first = seed + 1
            outcomes[what.split()[0], fault or outcome.split(":")[0]] += 1
            if fault:
                faults.append((seed, fault))
                report(f"seed {seed}: {fault}: {what} -> {outcome}")
    return faults, outcomes


class Worker:
    """A process that runs cases one after another."""

    def __init__(self, first, count, front):
        work = json.dumps([first, count, front])
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("malformed.py")), "--worker", work],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        )
        self._lines, self._errors = queue.Queue(), collections.deque(maxlen=20)
        self._readers = [threading.Thread(target=read) for read in (self._read, self._listen)]
        for reader in self._readers:
            reader.start()

    def _read(self):
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put(None)

    def _listen(self):
        self._errors.extend(self._process.stderr)

    def cases(self, timeout):
        """Yields (seed, what, outcome, fault) of each case; the last is of one that killed it."""
        begun, failure, wait = None, None, START
        try:
            while failure is None:
                line = self._lines.get(timeout=wait)
                if line is None:
                    failure = "the process died"
                elif line.startswith("ready"):
                    wait = timeout
                elif line.startswith("begin "):
                    begun = json.loads(line[6:])
                elif line.startswith("end "):
                    yield json.loads(line[4:])
                    begun = None
                elif line.startswith("done"):
                    return
        except queue.Empty:
            failure = f"nothing for {wait} s"
        finally:
            status = self._stop(died=failure == "the process died")
        cause = f"signal {signal.Signals(-status).name}" if status < 0 else f"status {status}"
        cause = f"{cause}: {''.join(self._errors)[-300:]!r}"
        if begun is None:
            raise RuntimeError(f"a worker failed between cases: {failure}, {cause}")
        yield *begun, cause, failure

    def _stop(self, died):
        """Ends the process, unless it is ending, and returns its status."""
        if not died:
            self._process.kill()
        for reader in self._readers:
            reader.join()
        return self._process.wait()
