"""Small checks where they can take nothing else down with them.

`python -m benchmarks.tf.isolated DEVICE PROVIDER|MODE ...` is the process that does them.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence

from benchmarks.attempts import note_of
from benchmarks.device import Device
from benchmarks.tf import every_mode

OK = "ok"
_BEGINS, _ENDS = "small check of", "small check done:"
_SECONDS = 300.0
Name = tuple[str, str]  # Provider, mode.


def check_here(device: Device, names: Sequence[Name]) -> None:
    """Prints which check this process is at, and `OK` or what is wrong."""
    for name in names:
        print(_BEGINS, "|".join(name), flush=True)
        try:
            every_mode.check_small(device, *name)
            said = OK
        except Exception as error:
            said = note_of(error)
        print(_ENDS, said, flush=True)


def check_all(names: Sequence[Name], device: str) -> dict[Name, str]:
    """`OK` or what is wrong with each, by other processes, of which one may die."""
    said: dict[Name, str] = {}
    left = list(names)
    while left:
        status, output, errors = _run(left, device)
        ends = [line for line in output.splitlines() if line.startswith(_ENDS)]
        for name, line in zip(left, ends, strict=False):
            said[name] = line.removeprefix(_ENDS).strip()
        left = left[len(ends) :]
        last = (errors.strip().splitlines() or [""])[-1]
        died = int(output.count(_BEGINS) > len(ends))
        if not died and not ends:  # One that has begun none would begin none again.
            died = len(left)
        for name in left[:died]:
            said[name] = f"its process ended with {status}: {last}"
        left = left[died:]
    return said


def _run(names: Sequence[Name], device: str) -> tuple[str, str, str]:
    """(how it ended, standard output, standard error)."""
    command = [sys.executable, "-m", "benchmarks.tf.isolated", device]
    command += ["|".join(name) for name in names]
    parts: tuple[bytes | None, bytes | None]
    try:
        child = subprocess.run(command, capture_output=True, timeout=_SECONDS)
        status, parts = f"status {child.returncode}", (child.stdout, child.stderr)
    except subprocess.TimeoutExpired as error:
        status, parts = f"nothing after {_SECONDS:.0f} s", (error.stdout, error.stderr)
    output, errors = ((part or b"").decode(errors="replace") for part in parts)
    return status, output, errors


def _main(name: str, *texts: str) -> None:
    from benchmarks.tf.devices import TensorFlow

    pairs = [text.split("|") for text in texts]
    check_here(TensorFlow(name), [(provider, mode) for provider, mode in pairs])


if __name__ == "__main__":
    _main(*sys.argv[1:])
