"""README's table and chart of the GPU, made of benchmarks/results/gpu.csv.

python -m benchmarks.gpu.summary            prints the table
python -m benchmarks.gpu.summary --write    puts it into README.md and draws the chart again
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks import page, report
from benchmarks.gpu import chart, comparison
from benchmarks.gpu.problems import SHAPES
from benchmarks.gpu.providers import OURS
from benchmarks.gpu.tables import NAMES, STEP, faster, find, mebibytes
from benchmarks.problems import Shape

CSV = page.ROOT / "benchmarks" / "results" / "gpu.csv"
PICTURE = page.ROOT / "docs" / "images" / "performance-gpu.png"
BLOCK = "benchmarks/gpu/summary.py"


def table(rows: Sequence[report.Row], shape: Shape = SHAPES[0]) -> str:
    """README's, in Markdown: the first shape in float32.

    Raises:
        LookupError: The fused kernels have no figures for it.
    """
    where = {"shape": shape, "dtype": "float32"}
    fused = find(rows, section=comparison.SECTION, provider=OURS, **where)
    if fused is None or fused.median_ms is None:
        raise LookupError(f"no times of {OURS} at {shape}")
    lines = ["| loss and gradient | ms | times slower | MiB beyond the images |"]
    lines += ["| --- | --- | --- | --- |"]
    memory = mebibytes(rows, shape, "float32", OURS)
    lines += [f"| **{OURS}** | **{fused.median_ms:.3f}** | **1** | **{memory}** |"]
    for peer, (_, name) in NAMES.items():
        row = find(rows, section=comparison.SECTION, provider=peer, mode=STEP, **where)
        if row is None or row.median_ms is None:
            continue
        times = faster(rows, shape, "float32", peer).rstrip("x!")
        memory = mebibytes(rows, shape, "float32", peer)
        lines.append(f"| {name} | {row.median_ms:.2f} | {times} | {memory} |")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu.summary", description=__doc__)
    parser.add_argument("--csv", type=Path, default=CSV)
    parser.add_argument("--write", action="store_true", help="README.md and the chart")
    options = parser.parse_args(arguments)
    rows, about = report.read_csv(options.csv)
    made = table(rows)
    print(made)
    if options.write:
        page.write(BLOCK, made)
        chart.draw(rows, about, PICTURE)
    return 0


if __name__ == "__main__":
    sys.exit(main())
