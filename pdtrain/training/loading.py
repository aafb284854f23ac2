"""Loading processes that are led by the one that trains: they end when it does; it goes on when one of them dies."""

import atexit
import logging
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from types import FrameType
from typing import Any

from torch.utils.data import DataLoader
from torch.utils.data.dataloader import _BaseDataLoaderIter, _MultiProcessingDataLoaderIter

from pdtrain.errors import RunError
from pdtrain.training.processes import die_with_parent
from pdtrain.training.signals import ASKING

_log = logging.getLogger(__name__)
_KILLED = (signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGINT)  # from outside, by users or for memory
_DYING = 1.0  # seconds
_TO_GROUPS = (*ASKING, signal.SIGUSR1, signal.SIGUSR2)  # the latter requeue SLURM jobs


class Loader(DataLoader):
    """A loader whose batches come whatever becomes of its processes: those of one that was killed are made here.

    Which images a batch has, and their augmentation, depends on no process.

    Raises
    ------
    RunError
        When a batch is asked for, if a process has crashed: whatever crashed it would crash this one too.
    """

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        if not self.num_workers:
            yield from super().__iter__()
            return
        given = 0
        try:
            with _none_led_yet():
                batches = super().__iter__()
            _let_workers_die()
            for batch in batches:
                yield batch
                given += 1
        except Exception as error:
            self._give_up(error)
            rest = list(islice(iter(self.batch_sampler), given, None))  # type: ignore[arg-type]
            # a generator of its own as before, so that nothing is drawn from the stream of the training
            yield from DataLoader(
                self.dataset,
                batch_sampler=rest,
                collate_fn=self.collate_fn,
                pin_memory=self.pin_memory,
                generator=self.generator,
            )

    def _get_iterator(self) -> _BaseDataLoaderIter:
        return _Processes(self) if self.num_workers else super()._get_iterator()

    def _give_up(self, error: Exception) -> None:
        """End the processes, one of which was killed; raise any other error."""
        processes: Any = self._iterator
        workers = getattr(processes, "_workers", ())
        # connections to it may end before it does, and what tells that it ends before it has
        ended = wait([worker.sentinel for worker in workers], timeout=_DYING)
        for worker in workers:
            if worker.sentinel in ended:
                worker.join(_DYING)
        dead = [worker for worker in workers if worker.exitcode]
        if not dead:
            raise error
        if -dead[0].exitcode not in _KILLED:
            raise RunError(
                f"data.workers={self.num_workers}: loading process {dead[0].pid} crashed (exit code "
                f"{dead[0].exitcode}); data.workers=0 shows where, and resume=auto goes on"
            ) from error
        _log.warning(
            "data.workers=%d: loading process %d was killed by signal %d (out of memory?); what is left of this pass "
            "over the images is loaded without",
            self.num_workers, dead[0].pid, -dead[0].exitcode,
        )  # fmt: skip
        processes._shutdown_workers()
        self._iterator = None  # new ones are started for the next pass


class _Processes(_MultiProcessingDataLoaderIter):
    """Those of a loader; to end one that is stopped, PyTorch would wait ten seconds for each."""

    def _shutdown_workers(self) -> None:
        _wake(getattr(self, "_workers", ()))  # it may be called before they are
        super()._shutdown_workers()


def wake_workers() -> None:
    """Have loading processes go on that were stopped: the process that waits for them is to leave."""
    _wake(multiprocessing.active_children())


def _wake(processes: Iterable[BaseProcess]) -> None:
    for process in processes:
        with suppress(ProcessLookupError, TypeError):
            os.kill(process.pid, signal.SIGCONT)  # type: ignore[arg-type]


def be_led(worker: int) -> None:
    """Leave the signals to a whole group of processes to the one that trains."""
    for number in _TO_GROUPS:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _TO_GROUPS)
    die_with_parent()


@contextmanager
def _none_led_yet() -> Iterator[None]:
    """Hold these signals back while processes start: one would end a process that is not led yet."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _TO_GROUPS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _let_workers_die() -> None:
    """Learn of a dead process when its batch is asked for: PyTorch raises wherever this one is, even in half a step."""
    raising = signal.getsignal(signal.SIGCHLD)
    if threading.current_thread() is not threading.main_thread() or not callable(raising):
        return
    if not raising.__module__.startswith("torch."):
        return

    def noted(number: int, frame: FrameType | None) -> None:
        with suppress(RuntimeError):
            raising(number, frame)

    signal.signal(signal.SIGCHLD, noted)


@atexit.register
def _end_workers() -> None:
    """Kill what would not end in time: Python would wait for it."""
    for process in multiprocessing.active_children():
        if process.daemon:
            process.kill()
