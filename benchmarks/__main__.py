"""Times gradops on a device against what its memory allows, its peers and what it replaces.

    python -m benchmarks                                kernels and ops of the CPU
    python -m benchmarks --device cuda                  CUDA kernels, in a build without TensorFlow
    python -m benchmarks --device GPU:0 --only modes    TensorFlow's modes on one of its devices

Every call is checked against gradops.reference before it is timed.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from benchmarks import about, chart, choices, report, verify
from benchmarks.attempts import attempt
from benchmarks.cases import Settings
from benchmarks.device import Device
from gradops import reference

OURS = "gradops"


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--device", default="cpu", help="cpu, cuda, or such as GPU:0 (default: %(default)s)")
    add("--only", help="sections, such as kernels,steps (default: all)")
    add("--shapes", help="BxHxWxC,... of most sections")
    add("--dtypes", help="on the CPU of kernels, steps and upstream")
    add("--penalties", default="l1", help="of kernels, steps and upstream")
    add(
        "--providers",
        help="of steps (default: all; pure TensorFlow in other modes than "
        "tf.function's training step only at the first shape and small ones)",
    )
    add("--peers", "--modes", dest="providers", help="the same: other libraries (cuda), or modes")
    add("--rounds", "--repeats", type=int, help="samples of each call")
    add("--slow-rounds", type=int, help="samples that suffice of a slow call")
    add("--threads", type=int, default=0, help="of the CPU (default: one per core)")
    add("--seconds", type=float, help="nothing is begun later (cuda: 240)")
    add("--isolate", action="store_true", help="small checks of modes in a process of their own")
    add("--csv", type=Path, help="default of a run of all sections: in benchmarks/results")
    add("--chart", type=Path, help="default of such a run: in docs/images")
    add(
        "--quick",
        action="store_true",
        help="tiny shapes, 3 rounds; no peers of the CPU, CSV or chart unless asked for",
    )
    return parser.parse_args(arguments)


def _open(options: argparse.Namespace) -> Device:
    """The device that was asked for; only cuda does without TensorFlow."""
    if options.device == "cuda":
        from benchmarks.cuda.device import open_device

        return open_device(options.quick)
    import tensorflow as tf

    from benchmarks.tf import devices

    tf.get_logger().setLevel("ERROR")  # It takes the many small functions for one that retraces.
    if options.device == "cpu":
        return devices.Cpu(options.threads)
    return devices.TensorFlow(options.device, options.isolate)


def _complete(options: argparse.Namespace, device: Device) -> None:
    """Sections, and what is written, of a device."""
    names, is_whole = tuple(device.sections), not options.only
    options.only = choices.split(options.only, "--only", names)
    if options.quick:
        if is_whole:
            options.only = [name for name in names if name not in device.optional_sections]
        return
    if is_whole:  # A run of some sections makes no table to keep.
        options.csv = options.csv or device.csv
    if set(device.charted) <= set(options.only):
        options.chart = options.chart or device.chart


def _settings(options: argparse.Namespace, device: Device) -> Settings:
    shapes = device.quick_shapes if options.quick else device.shapes
    rounds = 3 if options.quick else device.rounds
    seconds = device.seconds_for_all if options.seconds is None else options.seconds
    settings = Settings(
        device=device,
        shapes=choices.shapes(options.shapes) if options.shapes else shapes,
        providers=choices.split(options.providers, "--providers", device.choosable),
        dtypes=choices.split(options.dtypes, "--dtypes", device.dtypes, device.default_dtypes),
        penalties=choices.split(options.penalties, "--penalties", tuple(reference.PENALTIES)),
        rounds=rounds if options.rounds is None else options.rounds,
        slow_rounds=device.slow_rounds if options.slow_rounds is None else options.slow_rounds,
        threads=options.threads,
        sparing=options.providers is None,
        quick=options.quick,
        ends=None if seconds is None else time.monotonic() + seconds,
    )
    if min(settings.rounds, settings.slow_rounds) < 1:
        raise SystemExit("--rounds and --slow-rounds: expected at least 1")
    return settings


def main(arguments: list[str] | None = None, device: Device | None = None) -> int:
    """Run the command line and return its exit status: 1 if a figure of gradops is missing.

    Args:
        arguments: Of the command line; None for those of the process.
        device: None for the one that the command line names.
    """
    options = _parse(arguments)
    device = device or _open(options)
    _complete(options, device)
    settings, facts = _settings(options, device), about.metadata(device.facts())
    print("\n".join(f"{key}: {value}" for key, value in facts.items()), end="\n\n", flush=True)
    rows: list[report.Row] = []
    try:
        for name in options.only:
            _, note = settings.attempt(name, lambda: _run(name, settings, options, rows, facts))  # noqa: B023
            if note:
                rows.append(report.Row(name, OURS, "", settings.shapes[0], "", "", note=note))
    except verify.VerificationError as error:
        print(f"\nbenchmarks: {error}", file=sys.stderr)
        return 1
    print(report.format_tables(rows, device.notes, device.memory_notes))
    print(report.format_floors(rows))
    _write(options, device, rows, facts)
    return int(any(row.note for row in rows if row.provider == OURS))


def _run(
    name: str,
    settings: Settings,
    options: argparse.Namespace,
    rows: list[report.Row],
    facts: dict[str, str],
) -> None:
    """Adds the rows of a section; a run that is stopped leaves what it had, if it is to go on."""
    for made in settings.device.sections[name](settings):
        rows += made
        if options.csv and settings.device.goes_on:
            report.write_csv(options.csv, rows, facts)
        attempt("memory given back", settings.device.give_back)


def _write(
    options: argparse.Namespace, device: Device, rows: list[report.Row], facts: dict[str, str]
) -> None:
    if options.csv:
        report.write_csv(options.csv, rows, facts)
        print(f"\nWritten: {options.csv}")
    if options.chart:
        _, note = attempt("chart", lambda: chart.draw(rows, facts, options.chart))
        print(f"\nNo chart: {note}" if note else f"\nWritten: {options.chart}")


if __name__ == "__main__":
    sys.exit(main())
