"""`python -m gradops demo`: a network for depth maps, trained with and without gradients."""

from __future__ import annotations

import argparse
from pathlib import Path

from gradops.demo import arguments


def _parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m gradops demo",
        description="Train a small network that restores blurred and noisy depth maps, with a loss "
        "of the pixels alone and with a gradient loss added, by gradops; compare how good "
        "the networks are, and what a step costs with gradops and with pure TensorFlow.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--steps", type=arguments.integer_from(1), default=300, help="of training")
    parser.add_argument(
        "--batch", type=arguments.integer_from(1), default=4, help="depth maps of a step"
    )
    parser.add_argument(
        "--size",
        type=arguments.integer_from(32, multiple_of=2),
        default=192,
        help="height and width of the depth maps",
    )
    parser.add_argument(
        "--pixels", choices=["l1", "l2"], default="l2", help="the loss of the pixels"
    )
    parser.add_argument(
        "--gradient-weight",
        type=arguments.number_from(0),
        default=1.0,
        help="of the gradient loss, beside that of the pixels",
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("gradops_demo"),
        help="folder of the picture and the table",
    )
    parser.add_argument(
        "--seed", type=arguments.integer_from(0), default=0, help="of weights and batches"
    )
    # A worker: measures the memory of each loss and prints JSON.
    parser.add_argument("--memory", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args(argv)


def main(argv: list[str]) -> int:
    """Runs the job that the command line after `demo` asks for; returns the exit status."""
    options = _parse(argv)
    if not arguments.are_extras_installed("demo"):
        return 1
    # Imported here, because they import the extras.
    from gradops.demo.measuring import WorkerError, memory_in_subprocess
    from gradops.demo.training import measure, report

    if options.memory:
        measure.print_memory(options)
        return 0
    try:
        options.output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        return arguments.fail(f"--output: {error}")
    try:
        memory = memory_in_subprocess("demo", *argv, "--memory")
    except WorkerError as error:
        return arguments.fail(str(error))
    results, test = measure.train(options)
    table, picture = options.output / "table.txt", options.output / "depths.png"
    text = report.format_table(results, memory, test, options)
    table.write_text(text + "\n", encoding="utf-8")
    report.write_picture(results, test, options, picture)
    print(f"{text}\n\nPicture: {picture}\nTable: {table}")
    return 0
