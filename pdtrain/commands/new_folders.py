"""What Hydra makes before the input is checked: taken back where no run begins, so that a typing error leaves none."""

import re
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.conf import HydraConf
from hydra.experimental.callback import Callback
from hydra.types import RunMode
from omegaconf import DictConfig

from pdtrain.results.run_folder import SWEEP, RunFolder

_OF_ANOTHER_PROCESS = re.compile(r"_ddp_process_\d+\.log$")  # as Lightning has Hydra call its log


@dataclass(frozen=True)
class _Folder:
    """A folder of a run, a job or a sweep, as it was before."""

    path: Path
    own: frozenset[str]  # names of what Hydra and we put into it before any input is checked
    before: frozenset[str]  # names of what was in it
    missing: tuple[Path, ...]  # of the folder and those above, which were not there, the innermost first

    def take_back(self) -> None:
        """Remove what is new, unless a run has begun there."""
        new = {path.name for path in self.path.glob("*")} - self.before
        if not {name for name in new if not _OF_ANOTHER_PROCESS.search(name)} <= self.own:
            return
        with suppress(OSError):  # in use, or not ours to remove
            for path in (self.path / name for name in new):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
            for path in self.missing:
                path.rmdir()


_made: list[_Folder] = []  # of the run or sweep of this process


class NewFolders(Callback):
    """Hydra calls it before it makes a folder: it remembers what was there."""

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Look at the folder of a run."""
        _made[:] = [_as_it_is(Path(config.hydra.run.dir), _of_job(config.hydra))]

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Look at the folder of a sweep."""
        _made[:] = [
            _as_it_is(Path(config.hydra.sweep.dir), frozenset({SWEEP, "multirun.yaml", RunFolder("").lock().name}))
        ]

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        """Take it back where the jobs were rehearsals."""
        if config.trainer.get("fast_dev_run"):
            take_back()


def _as_it_is(folder: Path, own: frozenset[str]) -> _Folder:
    folder = folder.absolute()
    missing = tuple(path for path in (folder, *folder.parents) if not path.exists())
    return _Folder(folder, own, frozenset(path.name for path in folder.glob("*")), missing)


def _of_job(hydra: HydraConf | DictConfig) -> frozenset[str]:
    return frozenset({str(hydra.output_subdir), f"{hydra.job.name}.log"})


def take_back() -> None:
    """Remove what was made for the run or sweep of this process, unless one has begun there."""
    for folder in _made:
        folder.take_back()


def take_back_job(hydra: HydraConf) -> None:
    """The same, of one job: of a sweep, its own folder."""
    if hydra.mode == RunMode.MULTIRUN:
        folder = Path(hydra.runtime.output_dir)
        _Folder(folder, _of_job(hydra), frozenset(), (folder,)).take_back()
    else:
        take_back()
