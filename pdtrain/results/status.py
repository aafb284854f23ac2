"""What a run is doing, for those who look at it from outside: running, finished, failed or preempted."""

import logging
import os
from pathlib import Path

from pdtrain.checksums import from_json, json_with_checksum
from pdtrain.files import written_whole
from pdtrain.results.run_folder import RunFolder

_log = logging.getLogger(__name__)
_KEYS = {"state", "process", "started", "host"}


def write_status(run_dir: str | Path, state: str) -> None:
    """Note the state of a run ("running", "finished", "failed", "preempted") and its process."""
    process = os.getpid()
    status = {"state": state, "process": process, "started": _start_of(process), "host": os.uname().nodename}
    with written_whole(RunFolder(run_dir).status) as temporary:
        temporary.write_text(json_with_checksum(status))


def is_finished(run_dir: str | Path) -> bool:
    """Tell whether the run has come to its end."""
    return _read(run_dir).get("state") == "finished"


def is_unfinished(run_dir: str | Path) -> bool:
    """Tell whether the run was begun and has not come to its end; one that keeps no status is taken for whole."""
    return RunFolder(run_dir).status.exists() and not is_finished(run_dir)


def is_running(run_dir: str | Path) -> bool:
    """Tell whether the run is being trained; a process of this host that has died is not."""
    status = _read(run_dir)
    if status.get("state") != "running":
        return False
    return status["host"] != os.uname().nodename or running_here(run_dir) is not None


def running_here(run_dir: str | Path) -> int | None:
    """Process of this host that trains the run, or None."""
    status = _read(run_dir)
    if status.get("state") != "running" or status["host"] != os.uname().nodename:
        return None
    process = status["process"]
    return process if _start_of(process) == status["started"] else None


def _read(run_dir: str | Path) -> dict:
    path = RunFolder(run_dir).status
    try:
        status = from_json(path.read_text()) if path.is_file() else {}
    except (OSError, ValueError):
        status = None
    if not isinstance(status, dict) or (status and not status.keys() >= _KEYS):
        _log.warning("%s: damaged; the run is taken for one that was cut off", path)
        return {}
    return status


def _start_of(process: int) -> str | None:
    """Boot of the machine and start of a process, which tell it from another of the same number; None if it is gone."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {Path(f'/proc/{process}/stat').read_text().rpartition(')')[2].split()[19]}"
    except OSError:
        return None
