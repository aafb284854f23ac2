"""Locks of the operating system: one process writes a thing at a time, and its death, however it dies, frees it."""

import errno
import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from pdtrain.errors import InputError

_log = logging.getLogger(__name__)
_PATIENCE = 1.0  # seconds before a lock counts as held: others look at it for a moment
_NONE_THERE = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP)  # what file systems without locks answer
_EVERYBODY = 0o666  # on a disk that several users share, each must be able to take it


@contextmanager
def only_writer(path: Path, *, of: str, does: str) -> Iterator[None]:
    """Hold the lock file `path`; it is gone afterwards, and with it the folders that were made for it, if empty.

    Nothing is held where nothing can be written, or where the file system knows no locks, which is said.

    Raises
    ------
    InputError
        If another process holds it: `of` is the key and value at fault, `does` what that process does.

    Examples
    --------
    >>> import tempfile
    >>> lock = Path(tempfile.mkdtemp()) / "run" / ".lock"
    >>> with only_writer(lock, of="out=run", does="writes it"):
    ...     lock.exists()
    True
    >>> lock.parent.exists()
    False
    """
    with _held(path, seconds=_PATIENCE) as is_held:
        if not is_held:
            raise InputError(f"{of}: {_holder(path)} {does}; wait for it, or end it")
        yield


@contextmanager
def one_at_a_time(path: Path, *, makes: str) -> Iterator[None]:
    """Hold the lock file of something that is made once, and wait for the process that is making it.

    Where it cannot be held nothing is, since what is made appears whole: it may be made twice.
    """
    with _held(path, seconds=0.0, strict=False) as is_held:
        if is_held:
            yield
            return
    _log.warning("waiting for %s, which makes %s", _holder(path), makes)
    with _held(path, seconds=-1.0, strict=False):
        yield


def is_held(path: Path) -> bool:
    """Tell whether a process holds the lock file."""
    if not path.exists():
        return False
    with _held(path, seconds=0.0) as is_free:
        return not is_free


@contextmanager
def _held(path: Path, *, seconds: float, strict: bool = True) -> Iterator[bool]:
    """Tell whether the lock was got within so many seconds, negative ones being for ever, and hold it."""
    lock = FileLock(path, mode=_EVERYBODY, thread_local=False, fallback_to_soft=False, on_acquired=_sign)
    made = _acquire(lock, path, seconds, strict=strict)
    try:
        yield made is not None
    finally:
        if lock.is_locked:
            path.unlink(missing_ok=True)  # while it is held: who waits for it sees that it is gone, and makes another
            lock.release()
            with suppress(OSError):  # not empty
                for folder in made or []:
                    folder.rmdir()


def _acquire(lock: FileLock, path: Path, seconds: float, *, strict: bool) -> list[Path] | None:
    """Take the lock; name the folders made for it, the innermost first, or return None if another process has it."""
    missing = [folder for folder in path.parents if not folder.exists()]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=seconds)
    except Timeout:
        return None
    except OSError as error:
        if error.errno in _NONE_THERE:
            _log.warning("%s: its file system knows no locks; see to it that no other process writes there", path)
        elif strict and error.errno != errno.EROFS and os.access(path.parent, os.W_OK):
            raise
    return missing  # who writes where nothing can be written is told when it is tried


def _sign(descriptor: int) -> None:
    os.ftruncate(descriptor, 0)
    os.write(descriptor, json.dumps({"process": os.getpid(), "host": os.uname().nodename}).encode())


def _holder(path: Path) -> str:
    """Who holds it, for a line to the user; what others can write there is no more than a number and a name."""
    try:
        with path.open("rb") as file:
            signed = json.loads(file.read(1000))
        return f"process {int(signed['process'])} on {ascii(signed['host'])[1:-1]}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"
