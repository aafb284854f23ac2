"""Loading processes that are killed, stopped, crash, or are left behind."""

import logging
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.utils.data import Dataset, SequentialSampler

from pdtrain.errors import RunError
from pdtrain.training.loading import Loader, be_led, wake_workers

pytestmark = pytest.mark.filterwarnings("ignore:.*os.fork.*:DeprecationWarning")


class _Numbers(Dataset[Tensor]):
    """Numbers, one of which may end the process that loads it."""

    def __init__(self, *, fatal: int = -1, by: int = 0) -> None:
        self._fatal, self._by, self._parent = fatal, by, os.getpid()

    def __len__(self) -> int:
        return 40

    def __getitem__(self, index: int) -> Tensor:
        if index == self._fatal and os.getpid() != self._parent:
            os.kill(os.getpid(), self._by) if self._by else os._exit(3)
        return torch.tensor(index)


def _loader(numbers: _Numbers) -> Loader:
    return Loader(
        numbers, 2, sampler=SequentialSampler(range(40)), num_workers=2, worker_init_fn=be_led,
        persistent_workers=True, generator=torch.Generator(),
    )  # fmt: skip


def _workers() -> list[int]:
    return [process.pid for process in multiprocessing.active_children() if process.pid]


@pytest.mark.parametrize("fatal", [0, 39])
def test_what_a_killed_process_would_have_loaded_is_loaded_here(fatal: int, caplog: pytest.LogCaptureFixture) -> None:
    loader = _loader(_Numbers(fatal=fatal, by=signal.SIGKILL))
    stream = torch.get_rng_state()

    with caplog.at_level(logging.WARNING):
        assert torch.cat(list(loader)).tolist() == list(range(40))

    (said,) = [record.message for record in caplog.records if record.name == "pdtrain.training.loading"]
    assert "was killed by signal 9 (out of memory?)" in said
    assert torch.equal(torch.get_rng_state(), stream), "nothing is drawn from what training draws from"


@pytest.mark.parametrize(("by", "code"), [(0, "3"), (signal.SIGSYS, "-31")])
def test_a_process_that_crashes_ends_the_run_with_one_line(by: int, code: str) -> None:
    with pytest.raises(RunError, match=rf"data.workers=2: loading process \d+ crashed \(exit code {code}\)"):
        list(_loader(_Numbers(fatal=5, by=by)))


def test_an_error_of_the_data_is_none_of_the_processes() -> None:
    class Broken(_Numbers):
        def __getitem__(self, index: int) -> Tensor:
            raise ValueError("no such image")

    with pytest.raises(ValueError, match="no such image"):
        list(_loader(Broken()))


def _signal_workers() -> None:
    for worker in _workers():
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
            os.kill(worker, number)


def test_signals_to_the_group_do_not_end_the_processes_and_stopped_ones_are_woken() -> None:
    batches = iter(_loader(_Numbers()))
    seen = [next(batches)]
    _signal_workers()
    for worker in _workers():
        os.kill(worker, signal.SIGSTOP)
    woken = threading.Timer(0.5, wake_workers)
    woken.start()

    seen += list(batches)

    assert torch.cat(seen).tolist() == list(range(40))


def test_stopped_processes_are_not_waited_for_at_the_end() -> None:
    others = _workers()
    loader = _loader(_Numbers())
    assert len(list(loader)) == 20
    started = set(_workers()) - set(others)
    for worker in started:
        os.kill(worker, signal.SIGSTOP)
    began = time.monotonic()

    del loader

    assert len(started) == 2 and not started & set(_workers())
    assert time.monotonic() - began < 4, "PyTorch waits five seconds, twice for each"


def test_signals_do_not_end_processes_that_have_hardly_begun() -> None:
    def begin(worker: int) -> None:
        time.sleep(0.6)
        be_led(worker)

    loader = Loader(_Numbers(), 2, num_workers=2, worker_init_fn=begin, generator=torch.Generator())
    early = threading.Timer(0.3, _signal_workers)
    early.start()

    assert torch.cat(list(loader)).tolist() == list(range(40))


_LEAVES = """
import os, signal, sys
sys.path.insert(0, sys.argv[1])
from test_loading import _Numbers, _loader, _workers
for end in sys.argv[2:]:
    if os.fork():
        continue
    batches = iter(_loader(_Numbers()))
    next(batches), next(batches)  # of one process and of the other: both have begun
    os.kill(_workers()[0], signal.SIGSTOP)
    print(os.getpid(), *_workers(), flush=True)
    exec(end)
for end in sys.argv[2:]:
    os.wait()
"""


def test_no_process_is_left_behind() -> None:
    ends = ("os.kill(os.getpid(), signal.SIGKILL)", "sys.exit(0)", "os._exit(0)", "1 / 0")
    command = [sys.executable, "-c", _LEAVES, str(Path(__file__).parent), *ends]

    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True)

    started = [int(number) for number in done.stdout.split()]
    assert len(started) == 3 * len(ends)
    deadline = time.monotonic() + 8
    while any(Path(f"/proc/{process}").exists() for process in started):
        assert time.monotonic() < deadline
        time.sleep(0.05)
