import errno
import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock

from pdtrain import locks
from pdtrain.errors import InputError
from pdtrain.locks import is_held, one_at_a_time, only_writer

_HELD = {"of": "out=x", "does": "writes it"}


def test_a_lock_is_refused_while_its_holder_lives_and_free_when_it_is_killed(
    lock_holder: Callable[[Path], subprocess.Popen], tmp_path: Path
) -> None:
    path = tmp_path / "new" / ".lock"
    holder = lock_holder(path)

    assert is_held(path)
    with pytest.raises(InputError) as refused, only_writer(path, **_HELD):
        pass
    assert str(refused.value) == (
        f"out=x: process {holder.pid} on {os.uname().nodename} writes it; wait for it, or end it"
    )
    holder.kill()
    holder.wait()
    assert path.exists(), "the file of a dead process is no lock"
    assert not is_held(path)
    with only_writer(path, **_HELD):
        assert json.loads(path.read_text())["process"] == os.getpid()
    assert not path.exists()


def test_processes_that_the_holder_forked_do_not_hold_it(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    forks = (
        "import os, sys, time\nfrom pathlib import Path\nfrom pdtrain.locks import only_writer\n"
        "with only_writer(Path(sys.argv[1]), of='', does=''):\n"
        "    child = os.fork()\n"
        "    if not child: print(os.getpid(), flush=True)\n"  # it has begun
        "    time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", forks, str(path)], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        child = int(holder.stdout.readline())

        holder.kill()
        holder.wait()

        os.kill(child, 0)  # it lives
        assert not is_held(path)
        os.kill(child, signal.SIGKILL)


def test_who_needs_what_is_being_made_waits(
    lock_holder: Callable[[Path], subprocess.Popen], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / ".lock"
    holder = lock_holder(path)
    ended = threading.Timer(0.5, holder.kill)

    began = time.monotonic()
    ended.start()
    with one_at_a_time(path, makes="images"):
        waited = time.monotonic() - began

    assert waited > 0.4
    assert f"waiting for process {holder.pid} on {os.uname().nodename}, which makes images" in caplog.text


@pytest.mark.parametrize("content", [b"", b"\xff" * 5000, b"[]", b'{"process": "\\u001b[2J", "host": 3}', b"{" * 3000])
def test_what_others_wrote_into_a_lock_is_not_repeated(
    content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "_PATIENCE", 0.0)
    path = tmp_path / ".lock"
    with FileLock(path, fallback_to_soft=False):
        path.write_bytes(content)

        with pytest.raises(InputError) as refused, only_writer(path, **_HELD):
            pass
    assert str(refused.value) == "out=x: another process writes it; wait for it, or end it"


@pytest.mark.parametrize("kind", ["folder", "link"])
def test_what_is_no_lock_file_is_no_lock(kind: str, tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    path.mkdir() if kind == "folder" else path.symlink_to(tmp_path / "elsewhere")

    with pytest.raises(OSError, match=r"\.lock"), only_writer(path, **_HELD):
        pass
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("number", [errno.EROFS, errno.ENOLCK, errno.ENOSYS])
def test_without_locks_or_room_for_them_nothing_is_held(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(self: FileLock, timeout: float) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(FileLock, "acquire", fail)

    with caplog.at_level(logging.WARNING), only_writer(tmp_path / ".lock", **_HELD):
        pass
    assert ("knows no locks" in caplog.text) == (number != errno.EROFS), "what cannot be read only is said"
