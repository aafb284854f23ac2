"""What a run keeps of W&B: its id there, and the offline files, which tell what has been logged without a server."""

import logging
import os
import re
import struct
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError
from wandb.proto import wandb_internal_pb2

from pdtrain.checksums import read_intact, write_beside
from pdtrain.errors import DamagedFile
from pdtrain.files import written_whole
from pdtrain.results.run_folder import RunFolder

_log = logging.getLogger(__name__)
_ID = re.compile(rb"[!-~]{1,128}")
_HEADER_BYTES, _BLOCK_BYTES = 7, 32768
_FIRST, _FINAL = (1, 2), (1, 4)  # kinds of a record's parts that begin it, and that end it: 1 is a whole one


def records(path: str | Path) -> Iterator[Any]:
    """Records (`wandb_internal_pb2.Record`) of one `.wandb` file, up to its torn end if its process was killed.

    The format is LevelDB's log: blocks of 32 KiB hold parts of records, each after checksum, length and kind. What is
    damaged is left out up to the end of its block, and said.
    """
    raw, position = Path(path).read_bytes(), _HEADER_BYTES
    parts: bytes | None = None  # of a record whose beginning is whole
    while position + _HEADER_BYTES <= len(raw):
        left = _BLOCK_BYTES - position % _BLOCK_BYTES
        if left < _HEADER_BYTES:
            position += left
            continue
        checksum, length, kind = struct.unpack_from("<IHB", raw, position)
        part = raw[position + _HEADER_BYTES : position + _HEADER_BYTES + length]
        if zlib.crc32(part, zlib.crc32(bytes([kind]))) != checksum:
            if len(part) == length and kind:
                _log.warning("%s: damaged; W&B may lack some of what was logged there", path)
            position, parts = position + left, None
            continue
        parts = part if kind in _FIRST else parts and parts + part
        position += _HEADER_BYTES + length
        if kind in _FINAL and parts is not None:
            with suppress(DecodeError):  # of a stranger
                yield wandb_internal_pb2.Record.FromString(parts)  # type: ignore[attr-defined]


def stored_id(run_dir: str | Path) -> str:
    """Id of the run at W&B, made on first use: every process that goes on with the run, or probes it, logs there.

    Raises
    ------
    DamagedFile
        If its file is not as it was written, or holds no id.
    """
    from wandb.sdk.lib.runid import generate_id

    path = RunFolder(run_dir).wandb_id
    if not path.is_file():
        with written_whole(path) as temporary:
            temporary.write_text(os.environ.get("WANDB_RUN_ID") or generate_id())  # W&B's sweep agent gives one
        write_beside(path)
    content, intact = read_intact(path)
    if not intact or not _ID.fullmatch(content.strip()):
        raise DamagedFile(
            f"{path}: damaged; write the run's id at W&B there; it ends a name in {RunFolder(run_dir).wandb_files}/, "
            f"and remove {path.name}.sha256"
        )
    return content.decode().strip()


def first_step(run: Any, save_dir: str | Path) -> int:
    """The first step that a `wandb.Run` lacks, which goes on with what earlier processes logged.

    Online its server knows. Offline all that earlier processes have on the disk counts, since it is on the server
    already or `wandb sync` sends it there; what is offline when a run goes on online would come after its later steps,
    so that it is marked as sent, and sent again from here.
    """
    if run.offline:
        return logged_steps(save_dir, run.id)
    first: int = run.starting_step
    for path in RunFolder(save_dir).wandb_files.glob(f"offline-run-*/run-{run.id}.wandb"):
        sent = path.with_suffix(".wandb.synced")
        if not sent.exists() and _steps(path) > first:
            sent.touch()
            _log.warning(
                "%s: its steps are sent again with those that follow; pictures and tables are not", path.parent
            )
    return first


def logged_steps(save_dir: str | Path, run_id: str) -> int:
    """Number of steps that earlier processes logged to a run, as their files on the disk say."""
    return max(map(_steps, RunFolder(save_dir).wandb_files.glob(f"*run-*/run-{run_id}.wandb")), default=0)


def _steps(path: Path) -> int:
    """The first step after those in a file."""
    found = records(path) if path.is_file() else ()  # a pipe would be waited for
    return max((record.history.step.num + 1 for record in found if record.HasField("history")), default=0)
