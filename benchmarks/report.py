"""The results as a CSV file and as a table."""

from __future__ import annotations

import csv
import dataclasses
import datetime
import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import tensorflow as tf

import gradops
from benchmarks.providers import TRAINING_STEP, Shape

YARDSTICK = "yardstick"  # The provider of the yardsticks' own rows.
NOT_AVAILABLE = "n/a"
_BASELINE = "tf-function"
_NOTES = """\
Every figure of a block was timed in the same rounds. ratio: time over that of the yardstick named
beside it. tf.function(p - t) allocates its result as every op does; most of its time at large
shapes is for touching new memory, so an op that does that better has a ratio below 1. speed-up:
over tf-function, the composition of TensorFlow's own ops in a tf.function, in the same mode. GB/s:
of the least possible traffic, 2 image reads, and 1 write where there is a gradient. peak extra
MiB: beyond the inputs, each in a process of its own, at the first shape; an op allocates its
result, the kernel writes to a buffer of the caller. kernel: without TensorFlow, on threads that it
starts at every call, as do the triads and the read floor."""


@dataclasses.dataclass(frozen=True)
class Row:
    """One provider and mode at one shape against one yardstick. Field names are CSV columns."""

    provider: str
    mode: str  # Of a yardstick's own row: its name.
    shape: Shape
    dtype: str
    penalty: str
    median_ms: float
    p20_ms: float
    p80_ms: float
    gb_per_s: float  # 10^9 bytes.
    ratio_to_yardstick: float | None = None
    yardstick: str = ""
    peak_extra_mib: float | str = ""  # "" where not measured, "n/a" where it cannot be.

    @property
    def case(self) -> tuple[Shape, str, str]:
        """What was computed, by any provider."""
        return self.shape, self.dtype, self.penalty


COLUMNS = tuple(field.name for field in dataclasses.fields(Row))


def metadata(threads: int) -> dict[str, str]:
    """What the numbers depend on besides the code."""
    info = gradops.build_info()
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "cpu": _cpu_model(),
        "threads": str(threads or _cores()),
        "cpu_target": info["cpu_target"],
        "tensorflow": tf.__version__,
        "gradops": info["version"],
        "commit": _commit(),
    }


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _cores() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1


def _commit() -> str:
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        git = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True)
    except OSError:
        return NOT_AVAILABLE
    return git.stdout.strip() or NOT_AVAILABLE


def format_shape(shape: Shape) -> str:
    """Such as 16x512x512x3."""
    return "x".join(map(str, shape))


def write_csv(path: Path, rows: Sequence[Row], about: Mapping[str, str]) -> None:
    """Comment lines `# key: value`, then the columns' names, then the rows."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        file.writelines(f"# {key}: {value}\n" for key, value in about.items())
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for row in rows:
            cells = dataclasses.asdict(row) | {"shape": format_shape(row.shape)}
            writer.writerow(_csv_cell(value) for value in cells.values())


def _csv_cell(value: float | str | None) -> str:
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def format_tables(rows: Sequence[Row]) -> str:
    """One block for each shape, dtype and penalty, and what the columns mean."""
    blocks = []
    for case in dict.fromkeys(row.case for row in rows):
        members = [row for row in rows if row.case == case]
        shape, dtype, penalty = case
        blocks.append("\n".join([f"{list(shape)} {dtype} {penalty}", *_table(members)]))
    return "\n\n".join([*blocks, _NOTES])


def _table(rows: Sequence[Row]) -> list[str]:
    header = ("provider", "mode", "yardstick")
    header += ("median ms (p20-p80)", "GB/s", "ratio", "speed-up", "peak extra MiB")
    cells = [header]
    for row in rows:
        baseline = _find(rows, _BASELINE, row.mode) if row.provider.startswith("op-") else None
        memory = row.peak_extra_mib
        cells.append(
            (
                row.provider,
                row.mode,
                row.yardstick,
                f"{_digits(row.median_ms)} ({_digits(row.p20_ms)}-{_digits(row.p80_ms)})",
                f"{row.gb_per_s:.2f}",
                "" if row.ratio_to_yardstick is None else f"{row.ratio_to_yardstick:.2f}",
                "" if baseline is None else f"{baseline.median_ms / row.median_ms:.1f}x",
                memory if isinstance(memory, str) else f"{memory:.1f}",
            )
        )
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = []
    for line in cells:
        padded = [
            cell.ljust(width) if index < 3 else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        lines.append("  ".join(padded).rstrip())
    return [lines[0], "-" * len(lines[0]), *lines[1:]]


def _digits(value: float) -> str:
    return f"{value:#.4g}".rstrip(".")


def _find(rows: Sequence[Row], provider: str, mode: str) -> Row | None:
    return next((row for row in rows if (row.provider, row.mode) == (provider, mode)), None)


def format_headline(rows: Sequence[Row]) -> str:
    """The training step of the op in a tf.function at the first shape, in three lines."""
    rows = [row for row in rows if row.case == rows[0].case]
    step = _find(rows, "op-function", TRAINING_STEP)
    if step is None:
        return ""
    gains = []
    for provider, name in (
        ("tf-function", "tf.function"),
        ("tf-eager", "eager"),
        ("tf-xla", "XLA"),
    ):
        other = _find(rows, provider, TRAINING_STEP)
        if other is not None:
            gains.append(f"{other.median_ms / step.median_ms:.1f}x {name}")
    where = f"{list(step.shape)} {step.dtype}"
    return (
        f"Training step in a tf.function at {where}: {_digits(step.median_ms)} ms\n"
        f"Ratio to {step.yardstick}, the same traffic: {step.ratio_to_yardstick:.2f}\n"
        f"Times faster than pure TensorFlow: {', '.join(gains) or NOT_AVAILABLE}"
    )
