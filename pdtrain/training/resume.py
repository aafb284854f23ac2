"""What `resume=auto` goes on from: the folder of the run, and its last good checkpoint."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig
from rich.console import Console

from pdtrain.errors import DamagedFile, InputError
from pdtrain.files import remove_leftovers
from pdtrain.locks import is_held, only_writer
from pdtrain.results.configuration import differences, holds_run, load_configuration
from pdtrain.results.run_folder import RunFolder, folders_below
from pdtrain.results.status import is_finished, running_here
from pdtrain.training.checkpoints import LAST, checkpoint_file, read_resumable, resumable_checkpoints
from pdtrain.training.processes import die_with_parent, process_rank, started_together

_START = "PDTRAIN_START"  # environment variable: the first process's decision, for those it starts


@dataclass(frozen=True)
class Start:
    """Where a run begins or goes on.

    Attributes
    ----------
    run_dir
        Its folder.
    checkpoint
        What it goes on from; None to begin.
    finished
        Whether there is nothing left to train.
    """

    run_dir: Path
    checkpoint: Path | None = None
    finished: bool = False

    @property
    def resumes(self) -> bool:
        """Whether there is something of the run itself."""
        own = RunFolder(self.run_dir).checkpoints
        return self.finished or (self.checkpoint is not None and self.checkpoint.parent == own)


@contextmanager
def found_start(config: DictConfig, console: Console) -> Iterator[Start]:
    """Decide where to begin or go on, and clear away what a killed process left half-written.

    Meanwhile no other process trains there; of a data-parallel run the first one sees to that.

    Raises
    ------
    InputError
        If the folder holds a run and `resume` is not set, or one of another configuration, or one that another
        process is training; if none of its checkpoints can be read; or if several hosts are not told which it is.
    """
    if _START not in os.environ and started_together() and not _is_named():
        raise InputError(
            "hydra.run.dir: the processes that torchrun and srun start must share one folder; give "
            "hydra.run.dir=FOLDER, on a disk that all hosts have"
        )
    if config.resume not in (None, "auto"):
        raise InputError(f"resume={config.resume}: give auto, or null")
    if process_rank():
        yield _start_of_first_process(config)
        return
    run_dir = _folder(config, console)
    with only_writer(RunFolder(run_dir).lock(), of=f"hydra.run.dir={run_dir}", does="is training it"):
        start = _decide(run_dir, config, console)
        os.environ[_START] = f"{start.run_dir}\n{start.checkpoint or ''}"
        yield start


def _start_of_first_process(config: DictConfig) -> Start:
    """What the first process of a data-parallel run decided: it says so to those it starts itself."""
    if _START in os.environ:
        die_with_parent()
        folder, checkpoint = os.environ[_START].split("\n")
        return Start(Path(folder), Path(checkpoint) if checkpoint else None)
    run_dir = Path(config.paths.run_dir)  # torchrun or srun started them all
    if _is_to_resume(config) and is_finished(run_dir):
        return Start(run_dir, finished=True)
    readable = _last_good(RunFolder(run_dir).checkpoints, Console(quiet=True)) if _is_to_resume(config) else None
    return Start(run_dir, readable or _given(config))


def _is_to_resume(config: DictConfig) -> bool:
    return config.resume is not None or config.sweep.resume or "SLURM_RESTART_COUNT" in os.environ


def _given(config: DictConfig) -> Path | None:
    return None if config.ckpt_path is None else checkpoint_file(config.ckpt_path)


def _folder(config: DictConfig, console: Console) -> Path:
    """The folder of the run, or that of the latest which can be gone on with."""
    run_dir = Path(config.paths.run_dir)
    if (
        not _is_to_resume(config)
        or holds_run(run_dir)
        or _is_named()
        or (other := _unfinished_like(config, console)) is None
    ):
        return run_dir
    _discard(run_dir)
    return other


def _decide(run_dir: Path, config: DictConfig, console: Console) -> Start:
    given = _given(config)
    if not _is_to_resume(config):
        if holds_run(run_dir):
            raise InputError(
                f"hydra.run.dir={run_dir}: holds a run already; give resume=auto to go on with it, or another folder"
            )
        return Start(run_dir, given)
    if not holds_run(run_dir):
        console.print(f"resume=auto: no such run to go on with; beginning in {run_dir}", soft_wrap=True)
        return Start(run_dir, given)
    _check_may_go_on(run_dir, config)
    of_run = RunFolder(run_dir)
    for folder in (run_dir, of_run.results(), of_run.checkpoints, of_run.metrics.parent):
        remove_leftovers(folder)
    if is_finished(run_dir):
        return Start(run_dir, finished=True)
    checkpoint = _last_good(RunFolder(run_dir).checkpoints, console)
    after = f"going on from {checkpoint.name}" if checkpoint else "beginning again: no checkpoint was written yet"
    console.print(f"resume=auto: {run_dir}: {after}", soft_wrap=True)
    return Start(run_dir, checkpoint or given)


def _is_named() -> bool:
    """Whether the run's folder is given: by the command line, or by the sweep it is a job of."""
    if not HydraConfig.initialized():
        return False
    if HydraConfig.get().mode == RunMode.MULTIRUN:
        return True
    return any(override.startswith("hydra.run.dir=") for override in HydraConfig.get().overrides.hydra)


def _unfinished_like(config: DictConfig, console: Console) -> Path | None:
    """The latest unfinished run below `paths.runs` with the same configuration."""
    began = {folder: RunFolder(folder).configuration.stat().st_mtime for folder in folders_below(config.paths.runs)}
    for folder in sorted(began, key=began.__getitem__, reverse=True):
        try:
            stored = load_configuration(folder)
        except DamagedFile as error:
            console.print(f"resume=auto: {error}; passed over", soft_wrap=True)
            continue
        assert stored is not None
        if is_finished(folder) or running_here(folder) is not None or differences(stored, config):
            continue
        if not is_held(RunFolder(folder).lock()):
            return folder
    return None


def _discard(folder: Path) -> None:
    """Remove a folder that Hydra has just made, if it holds nothing of value, and those above that are then empty."""
    if folder.is_dir() and all(path.name == ".hydra" or path.suffix == ".log" for path in folder.iterdir()):
        shutil.rmtree(folder)
        for above in folder.parents:  # the day's, if this was its first
            if above.name == "" or any(above.iterdir()):
                return
            above.rmdir()


def _check_may_go_on(run_dir: Path, config: DictConfig) -> None:
    process = running_here(run_dir)
    if process is not None:
        raise InputError(f"hydra.run.dir={run_dir}: process {process} is training it; wait for it, or end it")
    stored = load_configuration(run_dir)
    assert stored is not None
    for key, before, now in differences(stored, config):
        raise InputError(
            f"{key}={now}: the run in {run_dir} has {before}; go on with that, or begin in another folder "
            f"(ckpt_path={RunFolder(run_dir).checkpoints / LAST} takes its weights along)"
        )


def _last_good(folder: Path, console: Console) -> Path | None:
    """The newest checkpoint that can be read; None if none was written."""
    checkpoints = resumable_checkpoints(folder)
    for checkpoint in checkpoints:
        try:
            read_resumable(checkpoint)
            return checkpoint
        except InputError as error:
            console.print(f"resume=auto: {error}; trying the one before", soft_wrap=True)
    if checkpoints:
        raise InputError(
            f"resume=auto: no checkpoint in {folder} can be read; ckpt_path=... begins from another one in a new folder"
        )
    return None
