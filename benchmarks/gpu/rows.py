"""From samples to rows of the results; and what is done about a provider that fails."""

from __future__ import annotations

import contextlib
import dataclasses
import signal
import sys
import time
import types
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from benchmarks import report
from benchmarks.gpu.device import Device
from benchmarks.gpu.timing import Occupier
from benchmarks.problems import NAMED, Shape, label
from gradops import _measure

LABEL = label(NAMED)
_NOTE = 240  # Characters.
_PATIENCE = 90
T = TypeVar("T")


@dataclasses.dataclass
class Settings:
    """What a section is to do, and on what."""

    device: Device
    occupier: Occupier
    shapes: Sequence[Shape]
    small_shapes: Sequence[Shape]
    dtypes: Sequence[str]
    peers: Sequence[str]
    repeats: int
    working_set: int
    small_calls: int  # How many short calls make a sample.
    ends: float  # By the host's clock; what has not begun by then is left out.

    def patience(self) -> int:
        """Seconds that a library may take to be made ready and checked."""
        return max(1, min(_PATIENCE, int(self.ends - self.device.seconds())))

    def check_time(self) -> None:
        """Raises TimeoutError once there is none left."""
        if self.device.seconds() > self.ends:
            raise TimeoutError("no time was left (--seconds)")


@dataclasses.dataclass(frozen=True)
class Case:
    """What the rows of one group share."""

    section: str
    shape: Shape
    dtype: str

    def absent(self, provider: str, mode: str, note: str, floor: float | None = None) -> report.Row:
        """The row of what could not be had."""
        return report.Row(
            self.section, provider, mode, self.shape, self.dtype, LABEL, floor=floor, note=note
        )

    def row(
        self, provider: str, mode: str, samples: Sequence[float], nbytes: float | None = None
    ) -> report.Row:
        """A row of samples in seconds and of the bytes that a call moves."""
        median, p20, p80 = _measure.median_and_percentiles(samples)
        return report.Row(
            self.section,
            provider,
            mode,
            self.shape,
            self.dtype,
            LABEL,
            median_ms=1e3 * median,
            p20_ms=1e3 * p20,
            p80_ms=1e3 * p80,
            gb_per_s=None if nbytes is None else nbytes / median / 1e9,
        )


def against(
    row: report.Row,
    other: report.Row,
    name: str,
    floor: float | None = None,
    aim: float | None = None,
) -> report.Row:
    """The row, with its time over that of another one, named so."""
    assert row.median_ms is not None and other.median_ms is not None
    ratio = row.median_ms / other.median_ms
    return dataclasses.replace(row, ratio_to_yardstick=ratio, yardstick=name, floor=floor, aim=aim)


def attempt(what: str, make: Callable[[], T], patience: int = 0) -> tuple[T | None, str]:
    """What `make` returns, or None and why not: a run goes on without it.

    Args:
        what: For standard error.
        make: Anything.
        patience: Seconds after which it is interrupted, if it is Python that waits; 0: never.
    """
    start = time.monotonic()
    try:
        with _alarm(patience):
            made = make()
    except Exception as error:  # Any library may raise any.
        note = " ".join(f"{type(error).__name__}: {error}".split())[:_NOTE]
        print(f"{what}: {note}", file=sys.stderr, flush=True)
        return None, note
    print(f"{what}: {time.monotonic() - start:.1f} s", file=sys.stderr, flush=True)
    return made, ""


@contextlib.contextmanager
def _alarm(seconds: int) -> Iterator[None]:
    """Raises TimeoutError in the block after so long; not on Windows, nor in other threads."""

    def ring(_number: int, _frame: types.FrameType | None) -> None:
        raise TimeoutError(f"took longer than {seconds} s")

    try:
        before = signal.signal(signal.SIGALRM, ring) if seconds else None
    except (AttributeError, ValueError):
        before = None
    if before is None:
        yield
        return
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
