"""Sends what is probed after the fact to W&B: into the run of the training, or into one of its own."""

from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from pdtrain.errors import InputError
from pdtrain.loggers.wandb_charts import TABLE, depth_charts, hide_numbers, rows_table
from pdtrain.loggers.wandb_files import logged_steps, stored_id
from pdtrain.loggers.wandb_run import GLOBAL_STEP, say_caveats, say_offline
from pdtrain.loggers.wandb_scalars import HEADLINE, ChosenScalars
from pdtrain.results import logged
from pdtrain.results.catalogue import catalogue_of
from pdtrain.results.caveats import caveats_of_run
from pdtrain.results.configuration import load_configuration, run_name
from pdtrain.results.reader import epoch_ends, load
from pdtrain.results.rows import ProbePoint, Row
from pdtrain.results.run_folder import RunFolder
from pdtrain.results.status import is_finished


class WandbResults:
    """A W&B run that receives probe points, its metrics named `<probe set>/id/...` over epochs.

    Parameters
    ----------
    run_dir
        Folder of the training run.
    probe_set
        Name of what is measured.
    to
        "same": the training's own run, by its stored id. "new": a run beside it, in the group of its id.

    Raises
    ------
    InputError
        If `to` is neither, or if the same run is wanted and the training was not logged to W&B or is not finished.
    """

    def __init__(self, run_dir: str | Path, probe_set: str, *, to: str) -> None:
        import wandb

        if to not in ("same", "new"):
            raise InputError(f"wandb={to}: choose same or new")
        if to == "same" and not RunFolder(run_dir).wandb_id.is_file():
            raise InputError(f"wandb=same: {run_dir} was not logged to W&B; wandb=new makes a run")
        if to == "same" and not is_finished(run_dir):
            raise InputError(f"wandb=same: {run_dir} is not finished, and its own steps come first; use wandb=new")
        config = load_configuration(run_dir)
        logger = OmegaConf.select(config, "logger.wandb") if config is not None else None
        options: dict[str, Any] = {"project": logger.project if logger is not None else "pdtrain", "dir": str(run_dir)}
        if to == "same":
            options |= {"id": stored_id(run_dir), "resume": "allow"}
        else:
            name = Path(run_dir).resolve().name if config is None else run_name(config)
            options |= {"name": f"{name}, {probe_set}", "group": _group(Path(run_dir)), "job_type": "probe"}
        self._run_dir, self._probe_set = run_dir, probe_set
        self._scalars = ChosenScalars(HEADLINE if logger is None else logger.get("scalars", HEADLINE))
        self._run = wandb.init(**options)
        self._run.define_metric(self._key("*"), step_metric=logged.EPOCH)
        trained = _lines(Path(run_dir)) if to == "same" else 0  # known whatever has become of W&B's own files
        self._step = max(self._run.starting_step, logged_steps(run_dir, self._run.id), trained)

    def send(self, point: ProbePoint, rows: list[Row]) -> None:
        """Send one stored probe point, and what there is to say of it and of all that the probe set holds."""
        catalogue = catalogue_of(RunFolder(self._run_dir).results(self._probe_set))
        stored = epoch_ends(load(self._run_dir, probe_set=self._probe_set))
        charts = depth_charts(stored, catalogue)
        shown = {
            **self._scalars.of(rows, catalogue, None),
            TABLE: rows_table(point, rows, catalogue),
            **charts,
        }
        place = {logged.EPOCH: point.epoch, GLOBAL_STEP: point.step}
        self._run.log({self._key(key): value for key, value in shown.items()} | place, step=self._step, commit=True)
        self._step += 1
        hide_numbers(self._run, map(self._key, charts))
        caveats = caveats_of_run(self._run_dir, stored, probe_set=self._probe_set)
        say_caveats(self._run, caveats, key=self._key("caveats"))

    def _key(self, name: str) -> str:
        return f"{self._probe_set}/{name}"

    def close(self) -> None:
        """End the run; say how to send it, if it is kept here alone."""
        say_offline(self._run, print)
        self._run.finish()


def _group(run_dir: Path) -> str:
    return stored_id(run_dir) if RunFolder(run_dir).wandb_id.is_file() else run_dir.resolve().name


def _lines(run_dir: Path) -> int:
    """How many lines the training sent to W&B."""
    kept = RunFolder(run_dir).wandb_lines
    return len(kept.read_bytes().splitlines()) if kept.is_file() else 0
