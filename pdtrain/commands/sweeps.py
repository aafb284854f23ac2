"""Sweeps that go on: the same command with `sweep.resume=true` finds its folder, and every job what is left of it.

Jobs keep their numbers and folders, since the same command makes them in the same order. What a job does there is what
`resume=auto` does for a single run: nothing if it is finished, the rest if it was cut off, all if it failed at once or
never began.
"""

from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from pdtrain.checksums import is_intact, yaml_with_checksum
from pdtrain.commands.left_out import all_left_out
from pdtrain.commands.new_folders import take_back
from pdtrain.commands.optuna_studies import go_on_with_study
from pdtrain.commands.shell import end
from pdtrain.commands.sweep_jobs import check_jobs
from pdtrain.errors import DamagedFile, InputError
from pdtrain.files import written_whole
from pdtrain.locks import only_writer
from pdtrain.report.console import plain_console
from pdtrain.results.run_folder import SWEEP as _NAME
from pdtrain.results.run_folder import RunFolder
from pdtrain.results.status import is_finished

_FREE = ("sweep.resume=", "debug=", "report=", "paths.")  # overrides that change no number


class SweepFolder(Callback):
    """Hydra calls it around a sweep: it keeps the command in the sweep's folder, or finds the folder of the command.

    Until the end no other process launches the jobs of that folder.
    """

    _locks: ClassVar = ExitStack()  # of the class, since launchers send the instance to their processes

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Choose the folder; end the command if a job has a value that cannot be, if the folder is that of another
        sweep, or another process launches its jobs.
        """
        try:
            check_jobs(config)
            folder = _folder(config)
            lock = RunFolder(folder).lock()
            self._locks.enter_context(only_writer(lock, of=f"hydra.sweep.dir={folder}", does="is running this sweep"))
            _begin(config, folder)
        except InputError as error:  # Hydra would only warn of it
            self._locks.close()
            end("pdtrain-train", str(error))

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        """Let go of the folder; end the command if no network of the sweep has what was to be probed."""
        self._locks.close()
        _check_something_ran("pdtrain-train")


class NoSweepFolder(Callback):
    """Hydra calls it around a sweep whose jobs name their own folders: what it would keep is passing."""

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Make a folder."""
        self._folder = TemporaryDirectory()
        _set_folder(config, Path(self._folder.name))

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        """Remove it; end the command if no network of the sweep has what was to be probed."""
        self._folder.cleanup()
        _check_something_ran("pdtrain-probe")


def _check_something_ran(name: str) -> None:
    if (why := all_left_out()) is not None:
        take_back()
        end(name, why)


def _folder(config: DictConfig) -> Path:
    """The folder of the sweep: the one that is named, or the latest with the same command, or a new one."""
    folder = Path(config.hydra.sweep.dir)
    if not config.sweep.resume or any(o.startswith("hydra.sweep.dir=") for o in config.hydra.overrides.hydra):
        return folder
    folder = _latest(Path(config.paths.runs), _command(config)) or folder
    _set_folder(config, folder)
    return folder


def _command(config: DictConfig) -> list[str]:
    return [o for o in config.hydra.overrides.task if not o.lstrip("+~").startswith(_FREE)]


def _begin(config: DictConfig, folder: Path) -> None:
    """Keep the sweep's command in its folder, or go on with it.

    Raises
    ------
    InputError
        If the folder holds another sweep, or a sweep and `sweep.resume` is not set.
    """
    begun = (folder / _NAME).exists()
    if not config.sweep.resume and begun:
        raise InputError(f"hydra.sweep.dir={folder}: holds a sweep already; sweep.resume=true goes on, or name another")
    if config.sweep.resume:
        _check_same(folder, _command(config))
        if begun:
            go_on_with_study(config)
        plain_console().print(f"sweep.resume=true: {_state(folder)}", soft_wrap=True)
    if not begun:
        content = yaml_with_checksum(OmegaConf.to_yaml(OmegaConf.create({"command": _command(config)})))
        with written_whole(folder / _NAME) as temporary:
            temporary.write_bytes(content)


def _command_of(folder: Path) -> list[str]:
    try:
        content = (folder / _NAME).read_bytes()
        if not is_intact(content):
            raise ValueError("its checksum differs")
        return list(OmegaConf.create(content.decode()).command)
    except Exception as error:  # whatever a damaged file brings about
        raise DamagedFile(f"{folder / _NAME}: damaged; put back the command of the sweep, or begin another") from error


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
    return f"{folder}: finished {sum(map(is_finished, begun))} of the {len(begun)} jobs that were begun"


def metric_of(run_dir: str | Path, name: str) -> float:
    """The last value of a metric of a finished run, as loggers name it; read from its files.

    Raises
    ------
    InputError
        If the run has no such metric.
    """
    from pdtrain.results.metrics import read_metrics  # with pandas, which no answer should wait for

    path, metrics = RunFolder(run_dir).metrics, read_metrics(run_dir)
    if metrics is None or name not in metrics:
        raise InputError(f"sweep.metric={name}: {path} has no such column; choose one, such as val/accuracy")
    return float(metrics[name].dropna().iloc[-1])


def threads_per_job(cores: int, jobs: int) -> int:
    """Threads of each of so many jobs at once: together no more than there are cores."""
    return max(1, cores // max(jobs, 1))
