"""Figures drawn in two processes: the same results, errors here, and no process left behind."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from pdtrain.errors import InputError
from pdtrain.report.side_by_side import side_by_side

_HERE = os.getpid()


def _square_slowly(number: int) -> tuple[int, int]:
    time.sleep(0.02)
    return number**2, os.getpid()


def test_both_processes_work_and_results_keep_their_order() -> None:
    others = multiprocessing.active_children()
    done = side_by_side([partial(_square_slowly, number) for number in range(12)], processes=2)

    assert [square for square, _ in done] == [number**2 for number in range(12)]
    assert len({process for _, process in done}) == 2 and set(multiprocessing.active_children()) <= set(others)


def test_there_may_be_any_number_of_tasks() -> None:
    for count in (0, 1, 300):
        assert side_by_side([partial(int, number) for number in range(count)], processes=2) == list(range(count))


def test_results_may_be_larger_than_a_pipe() -> None:
    done = side_by_side([partial(bytes, 1_000_000)] * 6, processes=2)
    assert [len(part) for part in done] == [1_000_000] * 6


def _fail() -> None:
    raise InputError("figure: wrong")


def _fail_elsewhere() -> str:
    if os.getpid() != _HERE:
        raise InputError("only there")
    return "done here"


def _killed_elsewhere() -> str:
    if os.getpid() != _HERE:
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.1)
    return "done here"


def test_an_error_is_raised_here_and_a_helper_that_fails_or_dies_costs_time_alone(
    capfd: pytest.CaptureFixture[str],
) -> None:
    others = multiprocessing.active_children()
    tasks: list[Callable[[], str]] = [_killed_elsewhere] * 4
    assert side_by_side(tasks, processes=2) == ["done here"] * 4
    assert side_by_side([partial(time.sleep, 0.1), _fail_elsewhere, _fail_elsewhere], processes=2)[1:] == [
        "done here",
        "done here",
    ]
    for place in (0, 3):
        tasks = [partial(str, 1)] * 4
        tasks[place] = _fail
        with pytest.raises(InputError, match="figure: wrong"):
            side_by_side(tasks, processes=2)

    assert set(multiprocessing.active_children()) <= set(others) and capfd.readouterr().err == ""


@pytest.mark.parametrize("asked", [signal.SIGKILL, signal.SIGTERM])
def test_the_helper_ends_when_the_one_it_helps_is_killed(tmp_path: Path, asked: signal.Signals) -> None:
    code = f"""
import os, time
from functools import partial
from pdtrain.report.side_by_side import side_by_side
def task(number):
    open(os.path.join({str(tmp_path)!r}, str(os.getpid())), "a").close()
    time.sleep(0.3)
side_by_side([partial(task, number) for number in range(200)], processes=2)
"""
    one = subprocess.Popen([sys.executable, "-c", code])
    while len(names := os.listdir(tmp_path)) < 2:
        time.sleep(0.02)
    (helper,) = {int(name) for name in names} - {one.pid}

    one.send_signal(asked)
    one.wait()

    for _ in range(100):
        if not _lives(helper):
            return
        time.sleep(0.1)
    pytest.fail("it is still there")


def _lives(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
