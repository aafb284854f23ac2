"""What a run is doing, for those who look at it from outside: running, finished or ended early."""

import json
import os
from pathlib import Path

_NAME = "status.json"


def write_status(run_dir: str | Path, state: str) -> None:
    """Note the state of a run ("running", "finished", "failed") and its process; appears whole or not at all."""
    path = Path(run_dir) / _NAME
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{_NAME}.{os.getpid()}")
    temporary.write_text(json.dumps({"state": state, "process": os.getpid(), "host": os.uname().nodename}))
    os.replace(temporary, path)


def is_running(run_dir: str | Path) -> bool:
    """Tell whether the run is being trained; a process of this host that has died is not."""
    path = Path(run_dir) / _NAME
    if not path.is_file():
        return False
    status = json.loads(path.read_text())
    if status["state"] != "running":
        return False
    return status["host"] != os.uname().nodename or Path(f"/proc/{status['process']}").exists()
