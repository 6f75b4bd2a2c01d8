"""The small checks of tensorflow_modes.py, where they can take nothing else down with them.

`python -m benchmarks.tensorflow_checks DEVICE PROVIDER|MODE ...` is the process that does them.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import tensorflow as tf

from benchmarks import tensorflow_steps as steps
from benchmarks import verify

OK = "ok"
_ROOT = Path(__file__).parents[1]
_BEGINS, _ENDS = "small check of", "small check done:"
_SECONDS = 300.0
Name = tuple[str, str]  # Provider, mode.


def use(device: str) -> str:
    """Lets TensorFlow see this device and no other GPU; returns what it is.

    Raises:
        SystemExit: There is no such device.
    """
    kind, _, index = device.partition(":")
    if kind not in ("CPU", "GPU") or not index.isdigit():
        raise SystemExit(f"--device: got {device!r}, expected such as GPU:0 or CPU:0")
    found = tf.config.list_physical_devices(kind)
    if int(index) >= len(found):
        raise SystemExit(f"--device: got {device!r}, and TensorFlow finds {len(found)} {kind}s")
    if kind == "CPU":
        tf.config.set_visible_devices([], "GPU")
        return "CPU"
    gpu = found[int(index)]
    tf.config.set_visible_devices([gpu], "GPU")
    tf.config.experimental.set_memory_growth(gpu, True)
    return str(tf.config.experimental.get_device_details(gpu))


def said_of(error: Exception) -> str:
    """What a row says of an error."""
    kind = "wrong" if isinstance(error, verify.VerificationError) else "failed"
    lines = str(error).strip().splitlines() or [""]
    return f"{kind}: {type(error).__name__}: {lines[0]}"[:300]


def small_checks(names: Sequence[Name]) -> dict[Name, str]:
    """`OK` or what is wrong with each, in this process; prints which it is at."""
    said = {}
    for name in names:
        print(_BEGINS, "|".join(name), flush=True)
        try:
            steps.check_small(*name)
            said[name] = OK
        except Exception as error:
            said[name] = said_of(error)
        print(_ENDS, said[name], flush=True)
    return said


def small_checks_elsewhere(names: Sequence[Name], device: str) -> dict[Name, str]:
    """The same by other processes: one that dies takes down only the check that it was at."""
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
            said[name] = f"failed: its process ended with {status}: {last}"[:300]
        left = left[died:]
    return said


def _run(names: Sequence[Name], device: str) -> tuple[str, str, str]:
    """(how it ended, standard output, standard error)."""
    command = [sys.executable, "-m", "benchmarks.tensorflow_checks", device]
    command += ["|".join(name) for name in names]
    parts: tuple[bytes | None, bytes | None]
    try:
        child = subprocess.run(
            command, cwd=_ROOT, env=dict(os.environ), capture_output=True, timeout=_SECONDS
        )
        status, parts = f"status {child.returncode}", (child.stdout, child.stderr)
    except subprocess.TimeoutExpired as error:
        status, parts = f"nothing after {_SECONDS:.0f} s", (error.stdout, error.stderr)
    output, errors = ((part or b"").decode(errors="replace") for part in parts)
    return status, output, errors


def _main(device: str, *texts: str) -> None:
    use(device)
    names = [text.split("|") for text in texts]
    small_checks([(provider, mode) for provider, mode in names])


if __name__ == "__main__":
    _main(*sys.argv[1:])
