"""`python -m gradops optimize`: one image optimisation, with gradops and with pure TensorFlow."""

from __future__ import annotations

import argparse
from pathlib import Path

from gradops.demo import arguments


def _parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m gradops optimize",
        description="Restore a degraded photograph by descending a content term plus the Sobel "
        "loss to the original, with gradops and with pure TensorFlow, and compare the two.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("input", metavar="IN", help="image file, or - for a photograph of ours")
    parser.add_argument("output", metavar="OUT", type=Path, help="PNG file of the comparison")
    parser.add_argument(
        "--steps", type=arguments.integer_from(1), default=100, help="most steps to take"
    )
    parser.add_argument(
        "--tolerance",
        type=arguments.number_from(0, below=1),
        default=0.001,
        help="stop once the loss falls by less than this fraction over 10 steps; 0: never",
    )
    parser.add_argument(
        "--size",
        type=arguments.integer_from(16),
        default=512,
        help="of the longer side; larger images are scaled down",
    )
    parser.add_argument(
        "--seed", type=arguments.integer_from(0), default=0, help="of the added noise"
    )
    # A worker: measures the memory of the provider with this title and prints JSON.
    parser.add_argument("--memory", help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    options.path = None if options.input == "-" else Path(options.input)
    return options


def main(argv: list[str]) -> int:
    """Runs the job that the command line after `optimize` asks for; returns the exit status."""
    options = _parse(argv)
    if not arguments.are_extras_installed("optimize"):
        return 1
    # Imported here, because they import the extras.
    from gradops.demo import photographs
    from gradops.demo.image import measure, report
    from gradops.demo.measuring import WorkerError, memory_in_subprocess

    if options.memory is not None:
        measure.print_memory(options)
        return 0
    if options.output.suffix.lower() != ".png":
        return arguments.fail(f"OUT must end in .png, got {options.output}")
    if not options.output.absolute().parent.is_dir():
        return arguments.fail(f"OUT: no directory {options.output.parent}")
    try:
        photographs.load_target(options.path, options.size)
    except ValueError as error:
        return arguments.fail(f"IN: {error}")
    try:
        # Each in its own process, because memory that another one has freed would hide its peak.
        memory = {
            provider.title: memory_in_subprocess("optimize", *argv, "--memory", provider.title)
            for provider in measure.PROVIDERS
        }
    except WorkerError as error:
        return arguments.fail(str(error))
    results = measure.restore(options)
    print(report.format_table(results, memory, options))
    report.write_picture(results[0], options)
    print(f"\nPicture: {options.output}")
    return 0
