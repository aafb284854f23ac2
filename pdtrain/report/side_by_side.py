"""Tasks in two processes: a copy of this one helps, each takes what the other has not begun."""

import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import TypeVar

T = TypeVar("T")
_MOST = 256  # shared: a task is a byte in a pipe


def usable_processes() -> int:
    """Two where there are two cores to use and a process can be copied safely, else one."""
    return 2 if sys.platform == "linux" and len(os.sched_getaffinity(0)) > 1 else 1


def side_by_side(tasks: Sequence[Callable[[], T]], *, processes: int) -> list[T]:
    """Results of the tasks, in their order; with two `processes` the last are begun first.

    What the helper could not do is done here, so that an error is raised where it can be caught, and one that is killed
    costs time alone. It ends with this process, at most one task later.

    >>> side_by_side([lambda: 1, lambda: 2], processes=1)
    [1, 2]
    """
    done = {} if processes == 1 else _shared(tasks)
    return [done[place] if place in done else task() for place, task in enumerate(tasks)]


def _shared(tasks: Sequence[Callable[[], T]]) -> dict[int, T]:
    waiting, give = os.pipe()
    os.write(give, bytes(reversed(range(min(len(tasks), _MOST)))))
    os.close(give)  # what reads finds an end after the last
    context = get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    helper = context.Process(target=_help, args=(tasks, waiting, receiver, sender, os.getpid()), daemon=True)
    helper.start()
    sender.close()
    try:
        done = dict(_taken(tasks, waiting))
        with suppress(EOFError):  # it is gone
            done |= receiver.recv()
        return done
    finally:
        os.read(waiting, _MOST)  # nothing more to begin, should this have failed
        os.close(waiting)
        receiver.close()
        helper.join()


def _taken(tasks: Sequence[Callable[[], T]], waiting: int) -> Iterator[tuple[int, T]]:
    while taken := os.read(waiting, 1):
        yield taken[0], tasks[taken[0]]()


def _help(tasks: Sequence[Callable[[], T]], waiting: int, receiver: Connection, sender: Connection, whom: int) -> None:
    """In the copy: send what was done, or nothing of what failed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the other is asked too
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    receiver.close()  # else sending to nobody would wait for ever
    done = {}
    with suppress(Exception):
        for place, result in _taken(tasks, waiting):
            done[place] = result
            if os.getppid() != whom:
                return
    with suppress(OSError):
        sender.send(done)
