"""Signals that ask a process to leave: SIGTERM of clusters, SIGHUP of a terminal that closes, SIGINT of Ctrl-C."""

import atexit
import os
import signal
import stat
import threading
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import Any

from pdtrain.errors import Preempted

ASKING = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
_OF_SHELLS = 128  # a shell's exit code of a command that a signal ended, less the signal
Handler = Callable[[int, FrameType | None], Any] | int | None


def preempted(message: str, *, by: int) -> Preempted:
    """What ends the process: Ctrl-C as shells know it, any other signal as "run me again".

    Examples
    --------
    >>> preempted("asked to leave", by=signal.SIGINT).code, preempted("asked to leave", by=signal.SIGTERM).code
    (130, 75)
    """
    return Preempted(message, exit_code=_OF_SHELLS + by if by == signal.SIGINT else Preempted.EXIT_CODE)


def leave_when_asked() -> None:
    """From now on end the process where it is when a signal asks for it; while it ends, it is not asked again."""

    def leave(number: int, frame: FrameType | None) -> None:
        handled_by(signal.SIG_IGN)
        mute_closed_terminal(number)
        raise preempted("asked to leave; what was written before is whole", by=number)

    handled_by(leave)
    atexit.register(handled_by, signal.SIG_IGN)


def handled_by(handler: Handler) -> dict[int, Handler]:
    """Set the handler of these signals, and return those before.

    What is ignored, as `nohup` has it, stays so; other threads than the main one can set none.
    """
    if threading.current_thread() is not threading.main_thread():
        return {}
    found = {number: signal.getsignal(number) for number in ASKING}  # None: not Python's
    before: dict[int, Handler] = {number: old for number, old in found.items() if old not in (None, signal.SIG_IGN)}
    for number in before:
        signal.signal(number, handler)
    return before


def mute_closed_terminal(number: int) -> None:
    """What is printed to a terminal that has closed would fail."""
    if number != signal.SIGHUP:
        return
    with suppress(OSError), open(os.devnull, "w") as nowhere:
        for stream in (1, 2):
            if stat.S_ISCHR(os.fstat(stream).st_mode):
                os.dup2(nowhere.fileno(), stream)
