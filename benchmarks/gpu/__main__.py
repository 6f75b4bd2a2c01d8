"""Times the CUDA kernels against the card's memory, an empty kernel and other libraries."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks import choices, report
from benchmarks.gpu import bandwidth, chart, comparison, overhead, peers, problems, summary, tables
from benchmarks.gpu.about import metadata
from benchmarks.gpu.device import Device, open_device
from benchmarks.gpu.providers import OURS
from benchmarks.gpu.rows import Settings, attempt
from benchmarks.gpu.timing import Occupier
from benchmarks.problems import format_shape

Keep = Callable[[list[report.Row]], None]
#: The sections by name, in the order in which they run: what is ours first.
SECTIONS: dict[str, Callable[[Settings, Keep], None]] = {
    bandwidth.SECTION: bandwidth.bandwidth,
    overhead.SECTION: overhead.overhead,
    comparison.SECTION: comparison.comparison,
}
_REPEATS, _QUICK_REPEATS = 50, 3
_CALLS, _QUICK_CALLS = 200, 3  # Small calls that make a sample.
_QUICK_BLOCK = (1, 64, 64, 1)


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    shapes = ",".join(map(format_shape, problems.SHAPES))
    parser.add_argument("--only", help=f"sections: {','.join(SECTIONS)} (default: all)")
    parser.add_argument("--shapes", help=f"BxHxWxC,... (default: {shapes})")
    parser.add_argument("--dtypes", default=",".join(problems.DTYPES), help="default: %(default)s")
    parser.add_argument("--peers", help=f"other libraries: {','.join(peers.PEERS)} (default: all)")
    parser.add_argument("--repeats", type=int, help=f"samples of each call (default: {_REPEATS})")
    parser.add_argument(
        "--seconds", type=float, default=240, help="nothing is begun later (default: %(default)s)"
    )
    parser.add_argument("--csv", type=Path, help="default: benchmarks/results/gpu.csv")
    parser.add_argument("--chart", type=Path, help="default: docs/images/performance-gpu.png")
    parser.add_argument(
        "--quick", action="store_true", help="tiny shapes, 3 samples; no CSV or chart unless asked"
    )
    options = parser.parse_args(arguments)
    # A run of some sections is not kept.
    if not options.quick and not options.only:
        options.csv = options.csv or summary.CSV
        options.chart = options.chart or summary.PICTURE
    options.only = choices.split(options.only or ",".join(SECTIONS), "--only", tuple(SECTIONS))
    options.dtypes = choices.split(options.dtypes, "--dtypes", problems.DTYPES)
    options.peers = choices.split(
        options.peers or ",".join(peers.PEERS), "--peers", tuple(peers.PEERS)
    )
    options.repeats = options.repeats or (_QUICK_REPEATS if options.quick else _REPEATS)
    if options.repeats < 1:
        raise SystemExit(f"--repeats: got {options.repeats}, expected at least 1")
    default = problems.QUICK_SHAPES if options.quick else problems.SHAPES
    options.shapes = choices.shapes(options.shapes) if options.shapes else list(default)
    return options


def _settings(options: argparse.Namespace, device: Device) -> Settings:
    quick = options.quick
    return Settings(
        device=device,
        occupier=Occupier(device, _QUICK_BLOCK) if quick else Occupier(device),
        shapes=options.shapes,
        small_shapes=problems.SMALL_SHAPES[:1] if quick else problems.SMALL_SHAPES,
        dtypes=options.dtypes,
        peers=options.peers,
        repeats=options.repeats,
        working_set=0 if quick else problems.WORKING_SET,
        small_calls=_QUICK_CALLS if quick else _CALLS,
        ends=device.seconds() + options.seconds,
    )


def main(arguments: list[str] | None = None, device: Device | None = None) -> int:
    """Run the command line and return its exit status: 1 if a figure of gradops is missing.

    Args:
        arguments: Of the command line; None for those of the process.
        device: None for that of the process.
    """
    options = _parse(arguments)
    device = device or open_device()
    start = time.monotonic()
    settings, facts = _settings(options, device), metadata(device)
    print("\n".join(f"{key}: {value}" for key, value in facts.items()), flush=True)
    rows: list[report.Row] = []

    def keep(made: list[report.Row]) -> None:
        """Writes the table again, so that a run that is stopped leaves what it had."""
        rows.extend(made)
        if options.csv:
            report.write_csv(options.csv, rows, facts)

    for name in options.only:
        _, failed = attempt(name, lambda: SECTIONS[name](settings, keep))  # noqa: B023
        if failed:
            keep([report.Row(name, OURS, "", settings.shapes[0], "", "", note=failed)])
    _print(rows)
    if options.csv:
        print(f"written: {options.csv}")
    if options.chart:
        _, failed = attempt("chart", lambda: chart.draw(rows, facts, options.chart))
        print(f"no chart: {failed}" if failed else f"written: {options.chart}")
    print(f"took {time.monotonic() - start:.0f} s\n")
    print(tables.short_table(rows), flush=True)
    return int(any(row.note for row in rows if row.provider == OURS))


def _print(rows: list[report.Row]) -> None:
    """All of them."""
    if rows:
        print(f"\n{report.format_tables(rows, tables.NOTES, tables.MEMORY_NOTES)}")
        print(f"\n{report.format_floors(rows)}\n")


if __name__ == "__main__":
    sys.exit(main())
