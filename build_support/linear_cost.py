"""What an element costs, from a thousand elements to a quarter of a billion.

    python build_support/linear_cost.py [--most 28] [--write]

Prints the time of a loss with its gradient in ns per element of an image, float32, by
`gradops._kernels` on one thread: medians, and the fastest and the slowest. It is the time that the
thread ran on a processor, so that other processes disturb it less. --write also draws
docs/images/linear_cost.svg. Three images of 2^28 elements are 3 GiB.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT))

from benchmarks.chart import GREY, HIGHLIGHT  # noqa: E402
from gradops import _kernels  # noqa: E402

CHART = ROOT / "docs" / "images" / "linear_cost.svg"
COLOURS = {
    "square images, 3 channels": HIGHLIGHT,
    "16 rows, 3 channels": "#0072b2",
    "16 columns, 3 channels": "#e69f00",
    "images of 16 x 16": "#009e73",
}
SECONDS, LEAST, MOST = 0.5, 5, 2000  # of each size, and how many repeats


def shapes(elements: int) -> Iterator[tuple[str, tuple[int, int, int, int]]]:
    """The shapes of about so many elements, by the names of COLOURS."""
    side, length = round((elements / 3) ** 0.5), max(2, round(elements / 48))
    every = [
        (1, side, side, 3),
        (1, 16, length, 3),
        (1, length, 16, 3),
        (elements // 256, 16, 16, 1),
    ]
    return zip(COLOURS, every, strict=True)


def times(shape: tuple[int, int, int, int]) -> list[float]:
    """Seconds of each repeat; outputs are allocated once, and the first call is left out."""
    rng = np.random.default_rng(0)
    y_true, y_pred = (rng.random(shape, np.float32) for _ in range(2))
    ones, memo = np.ones(shape[0], np.float32), np.empty_like(y_pred)
    loss = np.empty_like(ones)

    def once() -> float:
        start = time.thread_time()
        _kernels.loss_memo(y_true, y_pred, ones, loss=loss, memo=memo, threads=1)
        return time.thread_time() - start

    once()
    found = [once()]
    while len(found) < LEAST or (sum(found) < SECONDS and len(found) < MOST):
        found.append(once())
    return found


def measure(most: int) -> dict[str, list[tuple[int, float]]]:
    """(elements, median ns per element) by shape; prints a table."""
    lines: dict[str, list[tuple[int, float]]] = {name: [] for name in COLOURS}
    print("| elements | shape | median ns | fastest | slowest | repeats |\n|" + " --- |" * 6)
    for power in range(10, most + 1, 2):
        for name, shape in shapes(2**power):
            elements = int(np.prod(shape))
            found = [1e9 * x / elements for x in times(shape)]
            median = statistics.median(found)
            lines[name].append((elements, median))
            figures = " | ".join(f"{x:.3f}" for x in (median, min(found), max(found)))
            print(f"| 2^{power} | {list(shape)} | {figures} | {len(found)} |", flush=True)
    return lines


def draw(lines: dict[str, list[tuple[int, float]]]) -> None:
    """Writes the chart."""
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams.update({"svg.hashsalt": "gradops", "svg.fonttype": "none"})
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(9, 4.6))
    for name, points in lines.items():
        style = dict(color=COLOURS[name], linewidth=2.8 if COLOURS[name] == HIGHLIGHT else 1.6)
        axes.plot(*zip(*points, strict=True), marker="o", markersize=3.5, label=name, **style)
    axes.set_xscale("log", base=2)
    axes.set_xticks([2**power for power in range(10, 29, 2)])
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter("{x:g}")
    axes.set_xlabel("elements of one image tensor", loc="left")
    axes.set_title(
        "ns per element, time on the processor of one thread", loc="left", fontsize=10.5, color=GREY
    )
    axes.grid(True, which="major", color="#dddddd", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=9)
    title = "Sobel l1 loss and its gradient, float32: linear in the elements"
    figure.suptitle(title, x=0.012, y=0.985, ha="left", fontsize=13, weight="bold")
    figure.subplots_adjust(left=0.055, right=0.985, top=0.85, bottom=0.125)
    figure.savefig(CHART, metadata={"Date": None})


def main() -> None:
    """Measures, prints and draws."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--most", type=int, default=28, help="2 to this power of elements")
    parser.add_argument("--write", action="store_true", help="draw the chart")
    given = parser.parse_args()
    lines = measure(given.most)
    if given.write:
        draw(lines)


if __name__ == "__main__":
    main()
