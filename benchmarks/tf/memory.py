"""Peak memory of one call, each measured in a process of its own.

`python -m benchmarks.tf.memory JOB`, a `Job` as JSON, is that process; it prints bytes, or "n/a".
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
import statistics
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import tensorflow as tf

from benchmarks import about, report
from benchmarks.cases import Settings
from benchmarks.measure import progress
from benchmarks.modes import LOSS_AND_GRADIENT, SECOND_ORDER, TRAINING_STEP
from benchmarks.problems import NAMED, Shape, label, make_problem
from benchmarks.tf import peers
from benchmarks.tf.providers import PROVIDERS
from gradops import _measure

BYTES_PER_THREAD, BYTES_PER_UNIT = 256 * 1024, 16
_PROCESSES = 2  # At a time; what they measure is no time.
_REPEATS = 5
_SHAPES = ((1, 64, 64, 3), (4, 512, 512, 3), (1, 2048, 2048, 3))
_MIDDLE = _SHAPES[1]
_OURS = ("kernel", "op-eager", "op-function")
_TENSORFLOW = ("op-eager", "op-function", "tf-eager", "tf-function", "tf-xla")


@dataclasses.dataclass(frozen=True, eq=False)
class Job:
    """A call, all of its inputs made from a few words."""

    provider: str
    mode: str
    shape: Shape
    options: Mapping[str, Any] = dataclasses.field(default_factory=lambda: dict(NAMED))
    mask: bool = False
    threads: int = 0

    @property
    def output_bytes(self) -> int:
        """Images that the call allocates for its results, float32."""
        images = 1
        if self.provider in ("kernel", peers.HALIDE):  # Those go to a buffer of the caller.
            images = 2 if self.mode == SECOND_ORDER else 0  # Derivatives by both images.
        return images * 4 * math.prod(self.shape)

    @property
    def limit(self) -> int:
        """Bytes beyond the outputs that gradops may need."""
        threads = self.threads or about.cores()
        return threads * BYTES_PER_THREAD + self._units() * BYTES_PER_UNIT

    def _units(self) -> int:
        """Strips of rows, as csrc/cpu/launch/units.h cuts them."""
        batch, height, width, channels = self.shape
        rows = max(math.ceil(2**16 / (width * channels)), 64)
        return batch * math.ceil(height / rows)


def peak_of_call(job: Job) -> int | None:
    """Bytes beyond the inputs at the peak of one call, None where the system does not say.

    The median of some, because the system counts pages in batches. Each on a new thread, whose
    buffers are then new too.
    """
    problem = make_problem(job.shape, options=job.options, mask=job.mask, threads=job.threads)
    builders = {**PROVIDERS, **peers.PEERS}
    call = builders[job.provider][job.mode](problem)

    def run() -> None:
        thread = threading.Thread(target=call)
        thread.start()
        thread.join()

    run()  # Tracing, compiling and thread pools are not the call's own.
    peaks = []
    for _ in range(_REPEATS):
        with _measure.peak_extra_memory() as memory:
            run()
        peaks.append(memory.extra_bytes)
    known = [peak for peak in peaks if peak is not None]
    return int(statistics.median(known)) if known else None


def peaks_in_subprocesses(jobs: Iterable[Job]) -> dict[Job, int | None]:
    """`peak_of_call` of each job in a fresh process, so no heap hides another's need.

    Raises:
        RuntimeError: A worker failed; its message is on standard error.
    """

    def peak(job: Job) -> int | None:
        text = json.dumps(dataclasses.asdict(job))
        command = [sys.executable, "-m", "benchmarks.tf.memory", text]
        worker = subprocess.run(
            command,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **_measure.EXACT_PEAKS},
        )
        if worker.returncode != 0:
            raise RuntimeError(f"measuring the memory of {job.provider}, {job.mode} failed")
        answer = worker.stdout.split()[-1]
        return None if answer == report.NOT_AVAILABLE else int(answer)

    jobs = list(jobs)
    with ThreadPoolExecutor(_PROCESSES) as pool:
        return dict(zip(jobs, pool.map(peak, jobs), strict=True))


def memory(settings: Settings) -> Iterator[list[report.Row]]:
    """The fused step at several sizes, with a mask and of second order, and TensorFlow's."""
    with progress("peak memory"):
        peaks = peaks_in_subprocesses(_jobs(settings))
    yield [_row(job, peak) for job, peak in peaks.items()]


def _jobs(settings: Settings) -> list[Job]:
    def job(provider: str, mode: str, shape: Shape, penalty: str = "l1", mask: bool = False) -> Job:
        options = {**NAMED, "penalty": penalty}
        return Job(provider, mode, shape, options, mask, settings.threads)

    if settings.quick:
        return [job(name, LOSS_AND_GRADIENT, (2, 32, 32, 3)) for name in ("kernel", "op-function")]
    first = settings.shapes[0]
    jobs = [job("kernel", LOSS_AND_GRADIENT, first)]
    jobs += [job(name, TRAINING_STEP, first) for name in _TENSORFLOW]
    jobs += [
        dataclasses.replace(job(name, TRAINING_STEP, first), options=peers.options_of(name))
        for name in peers.available()
        if TRAINING_STEP in peers.PEERS[name]
    ]
    for shape in _SHAPES:
        jobs.append(job("kernel", LOSS_AND_GRADIENT, shape))
        jobs += [job(name, TRAINING_STEP, shape) for name in ("op-function", "tf-function")]
    for name in ("kernel", "op-function", "tf-function"):
        jobs.append(job(name, LOSS_AND_GRADIENT, _MIDDLE, mask=True))
        jobs.append(job(name, SECOND_ORDER, _MIDDLE, penalty="charbonnier"))
    return jobs


def _row(job: Job, peak: int | None) -> report.Row:
    options = label(job.options, mask=job.mask)
    row = report.Row("memory", job.provider, job.mode, job.shape, "float32", options)
    if job.provider in _OURS:
        row = dataclasses.replace(row, floor=job.limit / 2**10)
    return report.with_memory(row, peak, job.output_bytes)


def _main() -> None:
    tf.config.set_visible_devices([], "GPU")
    arguments = json.loads(sys.argv[1])
    job = Job(**arguments | {"shape": tuple(arguments["shape"])})
    if job.threads:
        tf.config.threading.set_intra_op_parallelism_threads(job.threads)
    peak = peak_of_call(job)
    print(report.NOT_AVAILABLE if peak is None else peak)


if __name__ == "__main__":
    _main()
