"""A training step in every mode of TensorFlow: eager, tf.function, XLA, Keras' fit, mixed_float16.

    python -m benchmarks.tensorflow_modes --device GPU:0
    python -m benchmarks.tensorflow_modes --device CPU:0 --shapes 4x256x256x3 --csv modes.csv

Each by gradops, and in pure TensorFlow by slices and by tf.image.sobel_edges. A row is checked
against the float64 reference, at a small shape (loss and gradient) and at its own, and timed in the
same rounds as the others of its shape; a step is over when its loss has been read. What fails, is
wrong or cannot run says so in its row, and stops no other: on a GPU the small checks are run by
another process, which may die of one. Where a library of CUDA's is missing, convolutions cannot
run, so tf.image.sobel_edges is n/a there.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import tensorflow as tf

import gradops
from benchmarks import choices, timing, verify
from benchmarks import tensorflow_steps as steps
from benchmarks.problems import Problem, Shape, format_shape, make_problem
from benchmarks.tensorflow_checks import (
    OK,
    Name,
    said_of,
    small_checks,
    small_checks_elsewhere,
    use,
)
from gradops import _measure

_DEFAULT_SHAPES = {"CPU": "4x256x256x3", "GPU": "16x512x512x3,64x512x512x3"}
_WARM_UP = 3


@dataclasses.dataclass
class Row:
    """A step at a shape. Field names are CSV columns."""

    shape: str
    mode: str
    provider: str
    status: str = OK  # Or why there are no times.
    first_s: float | None = None  # The first call: tracing, compiling, and loading of kernels.
    median_ms: float | None = None
    p20_ms: float | None = None
    p80_ms: float | None = None
    times_gradops: float | None = None  # The median over that of gradops in the same mode.
    peak_mib: float | None = None  # On the device, beyond what was there before; None: n/a.


class Guarded:
    """A call that is not made again once it has failed."""

    def __init__(self, call: timing.Call) -> None:
        self._call, self.error = call, ""

    def __call__(self) -> object:
        """What the call returns."""
        if self.error:
            return None
        try:
            return self._call()
        except Exception as error:
            self.error = said_of(error)
            return None


def measure(shape: Shape, said: dict[Name, str], is_gpu: bool, rounds: int) -> list[Row]:
    """A row for each name: those whose small check was ok are checked and timed at the shape."""
    problem = make_problem(shape)
    oracle = verify.Oracle(problem)
    rows, calls = [], {}
    for (provider, mode), status in said.items():
        row = Row(format_shape(shape), mode, provider, status)
        rows.append(row)
        if status == OK and (call := _prepare(row, problem, oracle, is_gpu)):
            calls[f"{mode}, {provider}"] = Guarded(call)
    samples = timing.interleave(calls, rounds, min(rounds, 3))
    for row in rows:
        name = f"{row.mode}, {row.provider}"
        if row.status == OK and calls[name].error:
            row.status = calls[name].error
        elif row.status == OK:
            times = _measure.median_and_percentiles(samples[name])
            row.median_ms, row.p20_ms, row.p80_ms = (1e3 * seconds for seconds in times)
    ours = {row.mode: row.median_ms for row in rows if row.provider == steps.GRADOPS}
    for row in rows:
        if row.median_ms and ours.get(row.mode):
            row.times_gradops = row.median_ms / (ours[row.mode] or 1)
    return rows


def _prepare(row: Row, problem: Problem, oracle: verify.Oracle, is_gpu: bool) -> timing.Call | None:
    """The step, called a few times and found right; None, with the row's status, if it is not."""
    try:
        start = time.perf_counter()
        builder = steps.builder(row.provider, row.mode)
        assert builder is not None
        call = builder(problem)
        result = call()
        row.first_s = time.perf_counter() - start
        steps.check_result(row.provider, row.mode, oracle, result)
        del result
        for _ in range(_WARM_UP):
            call()
        row.peak_mib = _peak_mib(call) if is_gpu else None
        return call
    except Exception as error:
        row.status = said_of(error)
        return None


def _peak_mib(call: timing.Call) -> float:
    device = "GPU:0"  # The only one that is seen.
    before = tf.config.experimental.get_memory_info(device)["current"]
    tf.config.experimental.reset_memory_stats(device)
    call()
    return (tf.config.experimental.get_memory_info(device)["peak"] - before) / 2**20


def _cell(value: object) -> str:
    return "n/a" if value is None else f"{value:.3f}" if isinstance(value, float) else str(value)


def table(rows: Sequence[Row]) -> str:
    """Columns, and beneath them why rows have no times."""
    fields = [field.name for field in dataclasses.fields(Row) if field.name != "status"]
    lines = [fields] + [[_cell(getattr(row, field)) for field in fields] for row in rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(fields))]
    text = [
        "  ".join(f"{cell:{w}}" for cell, w in zip(line, widths, strict=True)) for line in lines
    ]
    text += [f"{r.shape}, {r.mode}, {r.provider}: {r.status}" for r in rows if r.status != OK]
    return "\n".join(text)


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.tensorflow_modes",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--device", default="CPU:0")
    parser.add_argument("--shapes", help=f"default: {_DEFAULT_SHAPES}")
    parser.add_argument("--modes", default=",".join(steps.MODES), help="default: %(default)s")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--csv", type=Path)
    parser.add_argument(
        "--isolate", action="store_true", help="small checks in a process of theirs"
    )
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; the exit status is 0 if all of gradops' own rows are right."""
    options = _parse(arguments)
    modes = choices.split(options.modes, "--modes", steps.MODES)
    what = use(options.device)
    kind = options.device.partition(":")[0]
    shapes = choices.shapes(options.shapes or _DEFAULT_SHAPES[kind])
    print(f"device: {options.device} {what}\ntensorflow: {tf.__version__}")
    print(f"gradops: {gradops.build_info()}")
    names = [(p, m) for m in modes for p in steps.PROVIDERS if steps.builder(p, m)]
    if options.isolate or kind == "GPU":
        said = small_checks_elsewhere(names, options.device)
    else:
        said = small_checks(names)
    rows: list[Row] = []
    for shape in shapes:
        rows += measure(shape, said, kind == "GPU", options.rounds)
        print(f"\n{table(rows)}", flush=True)
        if options.csv:  # After each shape, so that what is measured is kept.
            _write(options.csv, rows)
    return 0 if all(row.status == OK for row in rows if row.provider == steps.GRADOPS) else 1


def _write(path: Path, rows: Sequence[Row]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, [field.name for field in dataclasses.fields(Row)])
        writer.writeheader()
        writer.writerows(dataclasses.asdict(row) for row in rows)


if __name__ == "__main__":
    tf.get_logger().setLevel("ERROR")
    sys.exit(main())
