"""Times the fused ops against pure TensorFlow, its peers and what memory allows."""

from __future__ import annotations

import argparse
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path

import tensorflow as tf

from benchmarks import about, chart, choices, memory, report, sections, verify
from benchmarks.cases import Settings
from benchmarks.providers import PROVIDERS
from gradops import composite

_SHAPES = "16x512x512x3,4x2048x2048x3,64x512x512x1"
_QUICK_SHAPES = "2x32x32x3,1x24x20x1"
_ROOT = Path(__file__).parents[1]
_CSV = _ROOT / "benchmarks" / "results" / "cpu.csv"
_CHART = _ROOT / "docs" / "images" / "performance.png"
_STEP_PROVIDERS = tuple(name for name in PROVIDERS if name != "kernel")
_PEERS = "peers"
SECTIONS: dict[str, Callable[[Settings], list[report.Row]]] = {
    "memory": memory.memory,
    **sections.SECTIONS,
    chart.SECTION: chart.sweep,
}


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", help=f"sections: {','.join(SECTIONS)} (default: all)")
    parser.add_argument("--shapes", help=f"BxHxWxC,... of most sections (default: {_SHAPES})")
    parser.add_argument("--dtypes", default="float32", help="of kernels, steps and upstream")
    parser.add_argument("--penalties", default="l1", help="of kernels, steps and upstream")
    parser.add_argument(
        "--providers",
        help=f"of steps: {','.join(_STEP_PROVIDERS)} (default: all; pure TensorFlow in other modes "
        "than tf.function's training step only at the first shape and small ones)",
    )
    parser.add_argument("--rounds", type=int, help="samples of each call (default: 20)")
    parser.add_argument(
        "--slow-rounds", type=int, default=3, help="of calls of over half a second (default: 3)"
    )
    parser.add_argument("--threads", type=int, default=0, help="default: one per core")
    parser.add_argument("--csv", type=Path, help=f"default: {_CSV.relative_to(_ROOT)}")
    parser.add_argument("--chart", type=Path, help=f"default: {_CHART.relative_to(_ROOT)}")
    parser.add_argument(
        "--quick",
        action="store_true",
        help="tiny shapes, 3 rounds; no peers, CSV or chart unless asked for",
    )
    options = parser.parse_args(arguments)
    only = options.only
    options.only = choices.split(only or ",".join(SECTIONS), "--only", tuple(SECTIONS))
    if options.quick and not only:
        options.only.remove(_PEERS)
    options.settings = _settings(options)
    # A run of some sections makes no table to keep.
    if not options.quick and not only:
        options.csv = options.csv or _CSV
    if not options.quick:
        options.chart = options.chart or _CHART
    return options


def _settings(options: argparse.Namespace) -> Settings:
    dtypes = choices.split(options.dtypes, "--dtypes", ("float32", "float64"))
    penalties = choices.split(options.penalties, "--penalties", tuple(composite.PENALTIES))
    if options.rounds is None:
        options.rounds = 3 if options.quick else 20
    if min(options.rounds, options.slow_rounds) < 1:
        raise SystemExit("--rounds and --slow-rounds: expected at least 1")
    return Settings(
        shapes=choices.shapes(options.shapes or (_QUICK_SHAPES if options.quick else _SHAPES)),
        providers=choices.split(
            options.providers or ",".join(_STEP_PROVIDERS), "--providers", _STEP_PROVIDERS
        ),
        variants=[(dtype, penalty) for penalty in penalties for dtype in dtypes],
        rounds=options.rounds,
        slow_rounds=options.slow_rounds,
        threads=options.threads,
        sparing=options.providers is None,
        quick=options.quick,
    )


def _write(options: argparse.Namespace, rows: list[report.Row], facts: dict[str, str]) -> None:
    if options.csv:
        report.write_csv(options.csv, rows, facts)
        print(f"\nWritten: {options.csv}")
    if options.chart and chart.SECTION in options.only:
        if importlib.util.find_spec("matplotlib") is None:
            print("\nNo chart: it needs matplotlib (the extra bench)")
            return
        chart.draw(rows, facts, options.chart)
        print(f"\nWritten: {options.chart}")


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    options = _parse(arguments)
    if options.threads:
        tf.config.threading.set_intra_op_parallelism_threads(options.threads)
    rows: list[report.Row] = []
    try:
        for name in options.only:
            rows += SECTIONS[name](options.settings)
    except verify.VerificationError as error:
        print(f"\nbenchmarks: {error}", file=sys.stderr)
        return 1
    facts = about.metadata(options.threads)
    print("\n".join(f"{key}: {value}" for key, value in facts.items()), end="\n\n")
    print(report.format_tables(rows))
    for part in (report.format_floors(rows), report.format_headline(rows)):
        print(f"\n{part}" if part else "", end="\n" if part else "")
    _write(options, rows, facts)
    return 0


if __name__ == "__main__":
    tf.config.set_visible_devices([], "GPU")
    tf.get_logger().setLevel("ERROR")  # It takes the many small functions for one that retraces.
    sys.exit(main())
