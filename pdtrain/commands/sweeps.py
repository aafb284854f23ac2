"""Sweeps that go on: the same command with `sweep.resume=true` finds its folder, and every job what is left of it.

Jobs keep their numbers and folders, since the same command makes them in the same order. What a job does there is what
`resume=auto` does for a single run: nothing if it is finished, the rest if it was cut off, all if it failed at once or
never began.
"""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf, open_dict, read_write
from rich.console import Console

from pdtrain.commands.optuna_studies import go_on_with_study
from pdtrain.commands.shell import end
from pdtrain.errors import InputError
from pdtrain.files import written_whole
from pdtrain.results.run_folder import RunFolder
from pdtrain.results.status import is_finished

_NAME = "sweep.yaml"
_FREE = ("sweep.resume=", "debug=", "report=", "paths.")  # overrides that change no number


class SweepFolder(Callback):
    """Hydra calls it before a sweep: it keeps the command in the sweep's folder, or finds the folder of the command."""

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Choose the folder; end the command if it is that of another sweep."""
        try:
            _choose_folder(config)
        except InputError as error:  # Hydra would only warn of it
            end("pdtrain-train", str(error))


class NoSweepFolder(Callback):
    """Hydra calls it around a sweep whose jobs name their own folders: what it would keep is passing."""

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Make a folder."""
        self._folder = TemporaryDirectory()
        _set_folder(config, Path(self._folder.name))

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        """Remove it."""
        self._folder.cleanup()


def _choose_folder(config: DictConfig) -> None:
    """Find the folder of the sweep's command, or keep the command in a new one.

    Raises
    ------
    InputError
        If the named folder holds another sweep, or a sweep and `sweep.resume` is not set.
    """
    command = [o for o in config.hydra.overrides.task if not o.lstrip("+~").startswith(_FREE)]
    named = any(override.startswith("hydra.sweep.dir=") for override in config.hydra.overrides.hydra)
    folder = Path(config.hydra.sweep.dir)
    if not config.sweep.resume:
        if (folder / _NAME).exists():
            raise InputError(
                f"hydra.sweep.dir={folder}: holds a sweep already; sweep.resume=true goes on, or name another"
            )
    elif named:
        _check_same(folder, command)
    else:
        folder = _latest(Path(config.paths.runs), command) or folder
        _set_folder(config, folder)
    if config.sweep.resume:
        if (folder / _NAME).exists():
            go_on_with_study(config)
        Console().print(f"sweep.resume=true: {_state(folder)}", soft_wrap=True)
    if not (folder / _NAME).exists():
        with written_whole(folder / _NAME) as temporary:
            temporary.write_text(OmegaConf.to_yaml(OmegaConf.create({"command": command})))


def _command_of(folder: Path) -> list[str]:
    return list(OmegaConf.load(folder / _NAME).command)


def _check_same(folder: Path, command: list[str]) -> None:
    if not (folder / _NAME).exists():
        return
    before = _command_of(folder)
    if differing := sorted(set(before) ^ set(command)):
        where = "was given" if differing[0] in before else "was not given"
        raise InputError(
            f"hydra.sweep.dir={folder}: another sweep, where {differing[0]} {where}; give its command, or name another"
        )


def _latest(runs: Path, command: list[str]) -> Path | None:
    """The latest sweep below `runs` with this command."""
    found = [path for path in runs.glob(f"**/{_NAME}") if sorted(_command_of(path.parent)) == sorted(command)]
    return max(found, key=lambda path: path.stat().st_mtime).parent if found else None


def _set_folder(config: DictConfig, folder: Path) -> None:
    with read_write(config), open_dict(config):
        config.hydra.sweep.dir = str(folder)
        # jobs are composed anew from what was given
        config.hydra.overrides.hydra.append(f"hydra.sweep.dir={folder}")


def _state(folder: Path) -> str:
    if not (folder / _NAME).exists():
        return f"no earlier sweep of this command; beginning in {folder}"
    begun = [path.parent for path in folder.glob("**/status.json")]
    return f"{folder}: {sum(map(is_finished, begun))} jobs are finished, {len(begun)} were begun"


def metric_of(run_dir: str | Path, name: str) -> float:
    """The last value of a metric of a finished run, as loggers name it; read from its files.

    Raises
    ------
    InputError
        If the run has no such metric.
    """
    import pandas as pd

    path = RunFolder(run_dir).metrics
    metrics = pd.read_csv(path) if path.exists() else pd.DataFrame()
    if name not in metrics:
        raise InputError(f"sweep.metric={name}: {path} has no such column; choose one, such as val/accuracy")
    return float(metrics[name].dropna().iloc[-1])


def threads_per_job(cores: int, jobs: int) -> int:
    """Threads of each of so many jobs at once: together no more than there are cores."""
    return max(1, cores // max(jobs, 1))
