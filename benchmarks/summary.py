"""What README.md shows of the results: the table and the chart, made of benchmarks/results/cpu.csv.

python -m benchmarks.summary            prints the table
python -m benchmarks.summary --write    puts it into README.md and draws the chart again
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from benchmarks import chart, page, report
from benchmarks.modes import TRAINING_STEP
from benchmarks.problems import Shape
from benchmarks.yardsticks import SUBTRACT

CSV = page.ROOT / "benchmarks" / "results" / "cpu.csv"
PAGE = page.PAGE
PICTURE = page.ROOT / "docs" / "images" / "performance.png"
SHAPE: Shape = (16, 512, 512, 3)
BLOCK = "benchmarks/summary.py"
BEGIN, END = page.begin(BLOCK), page.END
FUSED = "op-function"
#: How the table names a provider, by provider and the section where it was timed.
NAMES = {
    (FUSED, "steps"): "**gradops**",
    ("tf-function", "steps"): "`tf.image.sobel_edges`, `tf.function`",
    ("tf-eager", "steps"): "the same, eager",
    ("tf-xla", "steps"): "the same, XLA",
    ("jax.jit", "peers"): "JAX, `jax.jit`",
    ("torch.compile", "peers"): "PyTorch, `torch.compile`",
    ("kornia", "peers"): "kornia",
}
_HEAD = (
    "| training step: loss and gradient | ms | times slower | MiB beyond the images |\n"
    "| --- | --- | --- | --- |"
)


def step(rows: Sequence[report.Row], section: str, provider: str) -> report.Row:
    """The row of a training step at SHAPE; compared with the fused op where it is another one.

    Raises:
      LookupError: If there is none.
    """
    for row in rows:
        here = (row.section, row.provider, row.mode, row.shape)
        fused = row.yardstick.startswith(f"{FUSED} {TRAINING_STEP}")
        if here == (section, provider, TRAINING_STEP, SHAPE) and (
            section == "memory" or fused == (provider != FUSED)
        ):
            return row
    raise LookupError(f"no training step of {provider} in section {section} at {SHAPE}")


def subtraction(rows: Sequence[report.Row]) -> report.Row:
    """The yardstick that the fused op is held against, timed in the same rounds."""
    for row in rows:
        here = (row.section, row.provider, row.mode, row.shape)
        if here == ("steps", report.YARDSTICK, SUBTRACT, SHAPE):
            return row
    raise LookupError(f"no {SUBTRACT} in section steps at {SHAPE}")


def number(value: float) -> str:
    """Two digits below 10, else a whole number."""
    return f"{value:.1f}" if value < 10 else f"{value:.0f}"


def table(rows: Sequence[report.Row]) -> str:
    """The table of README.md, in Markdown."""
    lines = [_HEAD]
    for (provider, section), name in NAMES.items():
        timed = step(rows, section, provider)
        times = "1" if provider == FUSED else number(timed.ratio_to_yardstick or 0)
        memory = f"{float(step(rows, 'memory', provider).peak_extra_mib or 0):.0f}"
        cells = [name, number(timed.median_ms or 0), times, memory]
        if provider == FUSED:
            cells[1:] = [f"**{cell}**" for cell in cells[1:]]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.summary", description=__doc__)
    parser.add_argument("--write", action="store_true", help="README.md and the chart")
    options = parser.parse_args(arguments)
    rows, about = report.read_csv(CSV)
    made = table(rows)
    print(made)
    if options.write:
        page.write(BLOCK, made)
        chart.draw(rows, about, PICTURE)
    return 0


if __name__ == "__main__":
    sys.exit(main())
