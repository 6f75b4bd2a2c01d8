"""`python -m gradops demo`: a super-resolution network, trained with and without the Sobel loss."""

from __future__ import annotations

import argparse
from pathlib import Path

from gradops.demo import arguments

_PATCH_MULTIPLE = 3  # model.UPSCALING; importing it would import TensorFlow first


def _parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m gradops demo",
        description="Train a small super-resolution network on photographs with the mean absolute "
        "error, and with that and the Sobel loss, by gradops and by pure TensorFlow; compare what "
        "the steps cost and how good the networks are.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--steps", type=arguments.integer_from(1), default=500, help="of training")
    parser.add_argument(
        "--batch", type=arguments.integer_from(1), default=16, help="patches of a step"
    )
    parser.add_argument(
        "--patch",
        type=arguments.integer_from(24, multiple_of=_PATCH_MULTIPLE),
        default=192,
        help="height and width of the network's output",
    )
    parser.add_argument(
        "--patches", type=arguments.integer_from(1), default=400, help="cut from the photographs"
    )
    parser.add_argument(
        "--gradient-weight",
        type=arguments.number_from(0),
        default=0.1,
        help="of the Sobel loss, beside the mean absolute error",
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("gradops_demo"),
        help="folder of the picture, the table and the logs",
    )
    parser.add_argument(
        "--seed", type=arguments.integer_from(0), default=0, help="of weights and patches"
    )
    # A worker: measures one provider and prints JSON.
    parser.add_argument("--provider", help=argparse.SUPPRESS)
    parser.add_argument("--result", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args(argv)


def main(argv: list[str]) -> int:
    """Run the job.

    Args:
        argv: The command line after `demo`.

    Returns:
        The exit status.
    """
    options = _parse(argv)
    if not arguments.are_extras_installed("demo"):
        return 1
    # Only now: these import the extras.
    from gradops.demo.processes import WorkerError, measure_each
    from gradops.demo.training import data, providers, report, worker

    if options.provider is not None:
        worker.run(options)
        return 0
    if options.patch > data.largest_patch():
        room = f"the photographs have room for {data.largest_patch()}"
        return arguments.fail(f"--patch: {room}, got {options.patch}")
    try:
        options.output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        return arguments.fail(f"--output: {error}")
    try:
        results = measure_each(providers.PROVIDERS, providers.measure_in_subprocess, options)
    except WorkerError as error:
        return arguments.fail(str(error))
    table, picture = options.output / "table.txt", options.output / "crops.png"
    text = report.format_table(results, options)
    table.write_text(text + "\n", encoding="utf-8")
    report.write_picture(results, picture)
    print(text)
    print(f"\nPicture: {picture}\nTable: {table}")
    print(f"Curves: tensorboard --logdir {options.output / 'logs'}")
    return 0
