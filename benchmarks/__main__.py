"""Times the fused ops against pure TensorFlow and against what memory allows."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import tensorflow as tf

from benchmarks import cases, memory, report, verify, yardsticks
from benchmarks.providers import PROVIDERS, Problem, Shape, make_problem
from gradops import composite

_SHAPES = "16x512x512x3,4x2048x2048x3,64x512x512x1,1x64x64x3"
_QUICK_SHAPES = "2x32x32x3,1x24x20x1"
_CSV = Path(__file__).parent / "results" / "cpu.csv"
# By default not at every large shape: the composition takes seconds a step in these.
_SLOW_PROVIDERS = ("tf-eager", "tf-xla")


def _split(text: str, argument: str, allowed: tuple[str, ...]) -> list[str]:
    names = [name.strip() for name in text.split(",")]
    for name in names:
        if name not in allowed:
            raise SystemExit(f"{argument}: got {name!r}, expected some of {', '.join(allowed)}")
    return names


def _shapes(text: str) -> list[Shape]:
    try:
        shapes = [tuple(map(int, shape.split("x"))) for shape in text.split(",")]
    except ValueError:
        shapes = [()]
    if any(len(shape) != 4 or min(shape) < 1 or min(shape[1:3]) < 2 for shape in shapes):
        raise SystemExit(f"--shapes: got {text!r}, expected such as 16x512x512x3,1x64x64x3")
    return shapes


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--shapes", help=f"BxHxWxC,... (default: {_SHAPES})")
    parser.add_argument(
        "--dtypes", help="every shape in these (default: float32, and the first shape in float64)"
    )
    parser.add_argument("--penalties", default="l1", help="default: l1")
    parser.add_argument(
        "--providers",
        help=f"{','.join(PROVIDERS)} (default: all; {' and '.join(_SLOW_PROVIDERS)} only at the "
        "first shape and small ones)",
    )
    parser.add_argument("--rounds", type=int, help="samples of each call (default: 20)")
    parser.add_argument(
        "--slow-rounds", type=int, default=3, help="of calls of over half a second (default: 3)"
    )
    parser.add_argument("--threads", type=int, default=0, help="default: one per core")
    parser.add_argument("--csv", type=Path, help=f"default: {_CSV.relative_to(_CSV.parents[2])}")
    parser.add_argument("--no-memory", action="store_true", help="do not measure peak memory")
    parser.add_argument(
        "--quick", action="store_true", help="tiny shapes, 3 rounds, no memory, a CSV only if asked"
    )
    parser.add_argument("--memory-worker", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    options.shapes = _shapes(options.shapes or (_QUICK_SHAPES if options.quick else _SHAPES))
    dtypes = tuple(verify.TOLERANCES)
    options.dtypes = _split(options.dtypes, "--dtypes", dtypes) if options.dtypes else None
    options.penalties = _split(options.penalties, "--penalties", tuple(composite.PENALTIES))
    options.sparing = options.providers is None
    options.providers = _split(
        options.providers or ",".join(PROVIDERS), "--providers", tuple(PROVIDERS)
    )
    if options.rounds is None:
        options.rounds = 3 if options.quick else 20
    if min(options.rounds, options.slow_rounds) < 1:
        raise SystemExit("--rounds and --slow-rounds: expected at least 1")
    options.no_memory |= options.quick
    if options.csv is None and not options.quick:
        options.csv = _CSV
    return options


def _cases(options: argparse.Namespace) -> list[tuple[Shape, str, str]]:
    """(shape, dtype, penalty), the first of which is the headline's."""
    if options.dtypes:
        pairs = [(shape, dtype) for dtype in options.dtypes for shape in options.shapes]
    else:
        pairs = [(shape, "float32") for shape in options.shapes]
        pairs.append((options.shapes[0], "float64"))
    return [(shape, dtype, penalty) for penalty in options.penalties for shape, dtype in pairs]


def _jobs(options: argparse.Namespace, problem: Problem, is_first: bool) -> list[cases.Job]:
    """The (provider, mode) pairs to time on this problem."""
    everything = is_first or problem.y_pred.nbytes <= yardsticks.SMALL_BYTES or not options.sparing
    names = [name for name in options.providers if everything or name not in _SLOW_PROVIDERS]
    return [(name, mode) for name in names for mode in PROVIDERS[name]]


@contextlib.contextmanager
def _progress(what: str) -> Iterator[None]:
    print(f"{what} ...", end=" ", file=sys.stderr, flush=True)
    start = time.monotonic()
    yield
    print(f"{time.monotonic() - start:.0f} s", file=sys.stderr, flush=True)


def _memory_of_first(
    options: argparse.Namespace, rows: list[report.Row], jobs: list[cases.Job]
) -> list[report.Row]:
    """The rows, with the peak memory of the jobs at the first of them."""
    shape, dtype, penalty = rows[0].case
    arguments = ["--shapes", report.format_shape(shape), "--dtypes", dtype]
    arguments += ["--penalties", penalty, "--threads", str(options.threads)]
    with _progress("peak memory"):
        peaks = memory.peaks_in_subprocesses(jobs, arguments)

    def with_memory(row: report.Row) -> report.Row:
        job = row.provider, row.mode
        if row.case != rows[0].case or job not in peaks:
            return row
        peak = peaks[job]
        text = report.NOT_AVAILABLE if peak is None else peak / 2**20
        return dataclasses.replace(row, peak_extra_mib=text)

    return [with_memory(row) for row in rows]


def _measure(options: argparse.Namespace) -> list[report.Row]:
    rows: list[report.Row] = []
    first_jobs: list[cases.Job] = []
    for shape, dtype, penalty in _cases(options):
        with _progress(f"{list(shape)} {dtype} {penalty}"):
            problem = make_problem(shape, dtype, penalty, options.threads)
            jobs = _jobs(options, problem, is_first=not rows)
            first_jobs = first_jobs or jobs
            rows += cases.measure(problem, jobs, options.rounds, options.slow_rounds)
    return rows if options.no_memory else _memory_of_first(options, rows, first_jobs)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    options = _parse(arguments)
    if options.threads:
        tf.config.threading.set_intra_op_parallelism_threads(options.threads)
    if options.memory_worker:
        problem = make_problem(*_cases(options)[0], options.threads)
        peak = memory.peak_of_call(*options.memory_worker, problem)
        print(report.NOT_AVAILABLE if peak is None else peak)
        return 0
    try:
        rows = _measure(options)
    except verify.VerificationError as error:
        print(f"\nbenchmarks: {error}", file=sys.stderr)
        return 1
    about = report.metadata(options.threads)
    print("\n".join(f"{key}: {value}" for key, value in about.items()), end="\n\n")
    print(report.format_tables(rows), report.format_headline(rows), sep="\n\n")
    if options.csv:
        report.write_csv(options.csv, rows, about)
        print(f"\nWritten: {options.csv}")
    return 0


if __name__ == "__main__":
    tf.config.set_visible_devices([], "GPU")
    tf.get_logger().setLevel("ERROR")  # It takes the many small functions for one that retraces.
    sys.exit(main())
