"""What README.md shows of the results: a table and a chart of the CPU, and of a GPU.

python -m benchmarks.summary                  prints the table of benchmarks/results/cpu.csv
python -m benchmarks.summary --device cuda    that of benchmarks/results/gpu.csv
python -m benchmarks.summary --write          puts it into README.md and draws the chart again
"""

from __future__ import annotations

import argparse
import dataclasses
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks import chart, report
from benchmarks.modes import LOSS_AND_GRADIENT, TRAINING_STEP
from benchmarks.problems import Shape

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "README.md"
END = "<!-- end -->"


@dataclasses.dataclass(frozen=True)
class Table:
    """The rows that make a table of README.md, and how it reads."""

    block: str  # What its place in README.md is named by.
    csv: Path
    picture: Path
    head: str
    mode: str
    shape: Shape
    #: How a provider is named, by section and provider; what is ours comes first.
    names: Mapping[tuple[str, str], str]
    digits: int = 1  # After the point of milliseconds below 10.
    may_lack: bool = False  # Providers other than ours.

    @property
    def begin(self) -> str:
        """The line that the block in README.md begins with."""
        return f"<!-- made by {self.block}: begin -->"


_RESULTS, _IMAGES = ROOT / "benchmarks" / "results", ROOT / "docs" / "images"
TABLES = {
    "cpu": Table(
        "benchmarks/summary.py",
        _RESULTS / "cpu.csv",
        _IMAGES / "performance.png",
        "training step: loss and gradient",
        TRAINING_STEP,
        (16, 512, 512, 3),
        {
            ("steps", "op-function"): "**gradops**",
            ("peers", "halide"): "Halide, scheduled by hand",
            ("steps", "tf-function"): "`tf.image.sobel_edges`, `tf.function`",
            ("steps", "tf-eager"): "the same, eager",
            ("steps", "tf-xla"): "the same, XLA",
            ("peers", "jax.jit"): "JAX, `jax.jit`",
            ("peers", "torch.compile"): "PyTorch, `torch.compile`",
            ("peers", "kornia"): "kornia",
        },
    ),
    "cuda": Table(
        "benchmarks/summary.py --device cuda",
        _RESULTS / "gpu.csv",
        _IMAGES / "performance-gpu.png",
        "loss and gradient",
        LOSS_AND_GRADIENT,
        (64, 512, 512, 3),
        {
            ("peers", "gradops"): "**gradops**",
            ("peers", "torch conv2d"): "PyTorch, `conv2d`",
            ("peers", "torch conv2d channels_last"): "the same, `channels_last`",
            ("peers", "torch slices"): "PyTorch, slices",
            ("peers", "torch.compile"): "the same, `torch.compile`",
            ("peers", "triton"): "Triton, one pass",
            ("peers", "cupy slices"): "CuPy, slices",
        },
        digits=3,
        may_lack=True,
    ),
}


def find(rows: Sequence[report.Row], table: Table, section: str, provider: str) -> report.Row:
    """The first row with figures of a provider in a section.

    Raises:
        LookupError: There is none.
    """
    wanted = (section, provider, table.mode, table.shape, "float32")
    for row in rows:
        if (row.section, row.provider, row.mode, row.shape, row.dtype) == wanted and not row.note:
            return row
    raise LookupError(f"no {table.mode} of {provider} in section {section} at {table.shape}")


def number(value: float, digits: int = 1) -> str:
    """Some digits after the point below 10, else a whole number."""
    return f"{value:.{digits}f}" if value < 10 else f"{value:.0f}"


def markdown(rows: Sequence[report.Row], table: Table) -> str:
    """The table of README.md.

    Raises:
        LookupError: Figures of gradops are missing, or others that the table may not lack.
    """
    lines = [
        f"| {table.head} | ms | times slower | MiB beyond the images |",
        "| --- | --- | --- | --- |",
    ]
    (_, ours), *_ = table.names
    for (section, provider), name in table.names.items():
        try:
            timed = find(rows, table, section, provider)
        except LookupError:
            if table.may_lack and provider != ours:
                continue
            raise
        of_ours = find(rows, table, section, ours)  # in the same rounds
        slower = (timed.median_ms or 0) / (of_ours.median_ms or 1)
        memory = find(rows, table, "memory", provider).peak_extra_mib
        cells = [
            number(timed.median_ms or 0, table.digits),
            "1" if provider == ours else number(slower),
            f"{memory:.0f}" if isinstance(memory, float) else report.NOT_AVAILABLE,
        ]
        if provider == ours:
            cells = [f"**{cell}**" for cell in cells]
        lines.append(f"| {' | '.join([name, *cells])} |")
    return "\n".join(lines)


def write(table: Table, made: str) -> None:
    """Puts what was made into its block of README.md.

    Raises:
        SystemExit: There is no such block, or several.
    """
    text = PAGE.read_text(encoding="utf-8")
    block = f"{table.begin}\n{made}\n{END}"
    text, count = re.subn(f"{table.begin}.*?{END}", lambda _: block, text, flags=re.DOTALL)
    if count != 1:
        raise SystemExit(f"{PAGE.name} must have one block {table.begin}")
    PAGE.write_text(text, encoding="utf-8")


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.summary", description=__doc__)
    parser.add_argument("--device", choices=TABLES, default="cpu")
    parser.add_argument("--csv", type=Path, help="default: in benchmarks/results")
    parser.add_argument("--write", action="store_true", help="README.md and the chart")
    options = parser.parse_args(arguments)
    table = TABLES[options.device]
    rows, about = report.read_csv(options.csv or table.csv)
    made = markdown(rows, table)
    print(made)
    if options.write:
        write(table, made)
        chart.draw(rows, about, table.picture)
    return 0


if __name__ == "__main__":
    sys.exit(main())
