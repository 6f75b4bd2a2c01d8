"""What is done about something that fails: a note says why, and the run goes on."""

from __future__ import annotations

import contextlib
import signal
import sys
import types
from collections.abc import Callable, Iterator
from typing import TypeVar

_NOTE = 240  # Characters.
T = TypeVar("T")


class NotedError(Exception):
    """Its message is the note."""


def note_of(error: Exception) -> str:
    """What a row says of an error."""
    text = str(error) if isinstance(error, NotedError) else f"{type(error).__name__}: {error}"
    return " ".join(text.split())[:_NOTE]


def attempt(
    what: str, make: Callable[[], T], patience: Callable[[], int] | None = None
) -> tuple[T | None, str]:
    """What `make` returns, or None and why not.

    Args:
        what: For standard error.
        make: Anything.
        patience: Tells the seconds after which it is interrupted, if it is Python that waits, 0
            being never; raises TimeoutError if there are none left.
    """
    try:
        with _alarm(patience() if patience else 0):
            return make(), ""
    except Exception as error:  # Any library may raise any.
        note = note_of(error)
        print(f"{what}: {note}", file=sys.stderr, flush=True)
        return None, note


@contextlib.contextmanager
def _alarm(seconds: int) -> Iterator[None]:
    """Raises TimeoutError in the block after so long; not on Windows, nor in other threads."""

    def ring(_number: int, _frame: types.FrameType | None) -> None:
        raise TimeoutError(f"took longer than {seconds} s")

    try:
        before = signal.signal(signal.SIGALRM, ring) if seconds else None
    except (AttributeError, ValueError):
        before = None
    if before is None:
        yield
        return
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
