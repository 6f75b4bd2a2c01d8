"""`python -m gradops demo`: one image optimisation, run with gradops and with pure TensorFlow."""

from __future__ import annotations

import argparse
import importlib.util
import sys
import tempfile
from pathlib import Path

# Import name -> the distribution that has it.
_EXTRAS = {"skimage": "scikit-image", "matplotlib": "matplotlib", "tqdm": "tqdm"}


def _integer_from(minimum: int):
    def parse(text: str) -> int:
        value = int(text)
        if value < minimum:
            raise argparse.ArgumentTypeError(f"expected at least {minimum}, got {value}")
        return value

    parse.__name__ = "integer"  # What argparse calls it in "invalid integer value".
    return parse


def _fraction(text: str) -> float:
    value = float(text)
    if not 0 <= value < 1:
        raise argparse.ArgumentTypeError(f"expected at least 0 and below 1, got {value}")
    return value


def _parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m gradops demo",
        description="Restore a degraded photograph by descending a content term plus the Sobel "
        "loss to the original, with gradops and with pure TensorFlow, and compare the two.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--steps", type=_integer_from(1), default=100, help="most steps to take")
    parser.add_argument(
        "--tolerance",
        type=_fraction,
        default=0.001,
        help="stop once the loss falls by less than this fraction over 10 steps; 0: never",
    )
    parser.add_argument(
        "--size", type=_integer_from(16), default=512, help="height and width of the photograph"
    )
    parser.add_argument("--output", type=Path, default=Path("gradops_demo.png"), help="PNG file")
    parser.add_argument("--seed", type=_integer_from(0), default=0, help="of the added noise")
    # A worker: measures one provider and prints JSON.
    parser.add_argument("--provider", help=argparse.SUPPRESS)
    parser.add_argument("--result", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args(argv)


def main(argv: list[str]) -> int:
    """Run the demo.

    Args:
        argv: The command line after `demo`.

    Returns:
        The exit status.
    """
    options = _parse(argv)
    missing = [name for module, name in _EXTRAS.items() if not importlib.util.find_spec(module)]
    if missing:
        print(
            f'error: the demo needs {", ".join(missing)}: pip install "gradops[demo]"',
            file=sys.stderr,
        )
        return 1
    # Only now: these import the extras.
    from gradops.demo import providers, report, worker

    if options.provider is not None:
        worker.run(options)
        return 0
    if not options.output.absolute().parent.is_dir():
        print(f"error: --output: no directory {options.output.parent}", file=sys.stderr)
        return 1
    try:
        with tempfile.TemporaryDirectory(prefix="gradops-demo-") as directory:
            results = [
                providers.measure_in_subprocess(provider, options, Path(directory))
                for provider in providers.PROVIDERS.values()
            ]
    except providers.WorkerError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(report.format_table(results, options))
    report.write_picture(results[0], options)
    print(f"\nPicture: {options.output}")
    return 0
