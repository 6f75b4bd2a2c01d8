"""What calls run on: the interface of a device, and a host's, whose clock times them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from benchmarks import verify
from benchmarks.modes import Baseline, Builder
from benchmarks.problems import Problem, Shape

if TYPE_CHECKING:
    from benchmarks.cases import Settings
    from benchmarks.report import Row

ROOT = Path(__file__).resolve().parents[1]
SLOW_SECONDS = 0.5
_MAXIMUM_REPEATS = 1000

AnyCall = Callable[[], object]
#: Provider -> mode -> what makes the call.
Providers = Mapping[str, Mapping[str, Builder]]
#: What to do, as rows: those of each group as they are made.
Section = Callable[["Settings"], Iterator[list["Row"]]]


class Device:
    """A host: its calls are over when they return.

    The other devices say what differs. The attributes are what the command line offers.
    """

    sections: Mapping[str, Section] = {}
    optional_sections: Sequence[str] = ()  # Those that --quick leaves out, unless they are named.
    shapes: Sequence[Shape] = ()
    quick_shapes: Sequence[Shape] = ()
    dtypes: Sequence[str] = ("float32",)
    default_dtypes: Sequence[str] = ("float32",)
    choosable: Sequence[str] = ()  # Providers that may be left out.
    rounds, slow_rounds = 20, 3
    sample_seconds = 2e-3  # Shorter calls are repeated for so long, and a sample is their mean.
    seconds_for_all: float | None = None
    csv: Path | None = None
    chart: Path | None = None
    charted: Sequence[str] = ()  # The sections that the chart shows.
    #: Whether what fails leaves a note in its row, and the table is kept after each group. Else an
    #: error ends the run, and nothing is written.
    goes_on = True
    notes = memory_notes = ""

    providers: ClassVar[Providers] = {}
    baselines: Mapping[str, Callable[[Any], Baseline]] = {}

    def facts(self) -> dict[str, str]:
        """What the figures depend on besides the code."""
        return {}

    def prepare(self, problem: Problem, rotate: bool = True) -> Any:
        """What builders take; `rotate` is for devices whose calls must not find images cached."""
        return problem

    def expect(self, inputs: Any) -> None:
        """Comes before a call whose results will be checked."""

    def read(self, array: Any) -> np.ndarray:
        """What a call returned, as an array of the host."""
        return np.asarray(array)

    def peak(self, call: AnyCall) -> int | None:
        """Bytes that a call takes beyond what it is given, where the device can say."""
        return None

    def gives_results(self, provider: str) -> bool:
        """Whether a provider writes its results to buffers that are there before the call."""
        return False

    def wait(self) -> None:
        """Until all calls are over."""

    def give_back(self) -> None:
        """Memory that is kept but not used."""

    def check_small(self, provider: str, mode: str, like: Problem) -> None:
        """Compare every number of the like of a problem, at an odd small shape, with the oracle.

        Raises:
            VerificationError: The loss or the gradient is wrong.
        """
        builder = self.providers[provider][mode]
        verify.check_small(self, provider, mode, builder, like)

    def interleave(
        self, calls: Mapping[str, AnyCall], rounds: int, slow_rounds: int
    ) -> dict[str, list[float]]:
        """Time every call once a round, in order, so that load from elsewhere hits all of them.

        What a call returns is dropped within the time measured, as a training step drops its
        gradient. An untimed call comes before each sample of a call that is not slow: otherwise
        what ran before it in the round (other threads, a heap that just shrank) would show.

        Args:
            calls: By name; each has been called once already, so that tracing is over.
            rounds: Samples of each call, after a round that finds out how long each takes.
            slow_rounds: Samples of a call of at least `SLOW_SECONDS`, all in the first rounds.

        Returns:
            Seconds per call, by name.
        """
        first = {name: self._seconds_per_call(call, 1) for name, call in calls.items()}
        samples = {name: [first[name]] if first[name] >= SLOW_SECONDS else [] for name in calls}
        for index in range(rounds):
            for name, call in calls.items():
                if first[name] < SLOW_SECONDS:
                    call()
                    samples[name].append(self._seconds_per_call(call, self._repeats(first[name])))
                elif index + 1 < slow_rounds:
                    samples[name].append(self._seconds_per_call(call, 1))
        return samples

    def _repeats(self, seconds: float) -> int:
        return min(max(int(self.sample_seconds / max(seconds, 1e-9)), 1), _MAXIMUM_REPEATS)

    def _seconds_per_call(self, call: AnyCall, repeats: int) -> float:
        self.wait()
        start = time.perf_counter()
        for _ in range(repeats):
            call()
        self.wait()
        return (time.perf_counter() - start) / repeats
