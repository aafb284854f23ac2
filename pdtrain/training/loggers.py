"""Loggers that go on where they were: each counts its lines, checkpoints keep the count, and no line comes twice."""

import csv
import json
import logging
import os
from argparse import Namespace
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from pytorch_lightning import loggers
from pytorch_lightning.loggers.logger import rank_zero_experiment
from pytorch_lightning.utilities import rank_zero_only

from pdtrain.errors import InputError
from pdtrain.files import written_whole
from pdtrain.results.caveats import Caveat
from pdtrain.results.wandb_files import logged_steps, stored_id
from pdtrain.results.wandb_results import say_at_wandb
from pdtrain.training.processes import process_rank

_log = logging.getLogger(__name__)


@runtime_checkable
class Resumable(Protocol):
    """A logger that can go on after a given number of lines."""

    @property
    def logged(self) -> int:
        """Lines so far."""
        ...

    def go_on(self, logged: int) -> None:
        """Go on after the first `logged` lines."""
        ...

    def save(self) -> None:
        """Put all lines on the disk."""
        ...


class CsvLogger(loggers.logger.Logger):
    """Writes `save_dir`/csv/metrics.csv, one line per call, always whole.

    Unlike Lightning's, it keeps the lines of an earlier process, so that a resumed run has one file; and a reader
    never sees half of it.

    Parameters
    ----------
    save_dir
        Folder of the run.
    """

    def __init__(self, save_dir: str | Path) -> None:
        super().__init__()
        self._folder = Path(save_dir) / "csv"
        self._lines: list[dict[str, str]] = []
        self._saved = 0

    @property
    def name(self) -> str:
        """Name of the logger."""
        return "csv"

    @property
    def version(self) -> str:
        """Nothing: a run has one file."""
        return ""

    @property
    def log_dir(self) -> str:
        """Folder of the file."""
        return str(self._folder)

    @property
    def logged(self) -> int:
        """Lines so far."""
        return len(self._lines)

    @property
    def path(self) -> Path:
        """The file."""
        return self._folder / "metrics.csv"

    def go_on(self, logged: int) -> None:
        """Keep the first lines of the file there is."""
        if logged:
            with self.path.open(newline="") as file:
                kept = [{key: value for key, value in line.items() if value} for line in csv.DictReader(file)]
            self._lines = kept[:logged]

    @rank_zero_only
    def log_hyperparams(self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any) -> None:
        """Do nothing: the run's configuration lies beside."""

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Add a line."""
        self._lines.append({"step": str(step)} | {key: repr(value) for key, value in metrics.items()})

    @rank_zero_only
    def save(self) -> None:
        """Write the file if there are new lines."""
        if self._saved == len(self._lines):
            return
        columns = list(dict.fromkeys(key for line in self._lines for key in line))
        with written_whole(self.path) as temporary, temporary.open("w", newline="") as file:
            writer = csv.DictWriter(file, columns)
            writer.writeheader()
            writer.writerows(self._lines)
        self._saved = len(self._lines)

    def finalize(self, status: str) -> None:
        """Write what is left."""
        self.save()


class WandbLogger(loggers.WandbLogger):
    """Lightning's, with the run's id kept in its folder, and numbered lines, so that a resumed run logs none twice.

    Its lines are kept in `save_dir`/wandb_lines.jsonl too. Training never ends because of W&B: without a server the run
    is logged offline, to be synchronised later; if W&B dies, the other loggers go on. Each is said once.

    Parameters
    ----------
    save_dir
        Folder of the run.
    sweep, job
        Folder of the sweep and number of the job, for a job of a sweep: W&B's group and name where `options` give none.
    options
        As Lightning's, and `wandb.init`'s.

    Raises
    ------
    InputError
        If W&B wants an API key and there is none.
    """

    def __init__(
        self, *, save_dir: str | Path, sweep: str | None = None, job: str | None = None, **options: Any
    ) -> None:
        if sweep is not None:
            options |= {"group": options.get("group") or sweep, "name": options.get("name") or f"job {job}"}
        run_id = options.pop("id", None)
        if run_id is None and process_rank() == 0:
            run_id = stored_id(save_dir)
        super().__init__(save_dir=save_dir, id=run_id, **options)
        self._wandb_init.pop("anonymous", None)  # W&B warns of it
        self._journal = Path(save_dir) / "wandb_lines.jsonl"
        self._lines: list[dict[str, Any]] = []
        self._saved = 0
        self._sent: int | None = None  # how many W&B has; unknown before it is asked
        self._media: dict[str, Any] = {}
        self._dead = False

    @property
    def logged(self) -> int:
        """Lines so far."""
        return len(self._lines)

    @property
    @rank_zero_experiment
    def experiment(self) -> Any:
        """The `wandb.Run`, opened on first use."""
        import wandb
        from wandb.errors import AuthenticationError, CommError, UsageError

        try:
            return super().experiment
        except (AuthenticationError, UsageError) as error:
            raise InputError(
                f"logger=wandb: {_first_line(error)} Log in, or log offline with WANDB_MODE=offline"
            ) from error
        except CommError as error:
            _log.warning(
                "logger=wandb: no connection (%s); logging offline, `wandb sync %s/wandb/offline-run-*` sends it later",
                _first_line(error),
                self._save_dir,
            )
            wandb.teardown()
            self._wandb_init["mode"] = "offline"
            return super().experiment

    @rank_zero_only
    def go_on(self, logged: int) -> None:
        """Keep the first lines of an earlier process; W&B may have lost some of them with it, or have more."""
        with self._journal.open() as journal:
            self._lines = [json.loads(line) for line in islice(journal, logged)]
        with written_whole(self._journal) as temporary:
            temporary.write_text("".join(json.dumps(line) + "\n" for line in self._lines))
        self._saved = len(self._lines)
        self._send()

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Add a line, and send it."""
        self._lines.append({**metrics, "trainer/global_step": step})
        self._send()

    def attach(self, media: Mapping[str, Any]) -> None:
        """Send figures or histograms with the next line; they are not kept, nor sent again."""
        self._media = dict(media)

    def _send(self) -> None:
        """Send the lines that W&B does not have."""
        if self._dead:
            return
        try:
            if self._sent is None:
                self._sent = max(self.experiment.starting_step, logged_steps(str(self._save_dir), self.experiment.id))
            for number in range(self._sent, len(self._lines)):
                media = self._media if number == len(self._lines) - 1 else {}
                self.experiment.log(self._lines[number] | media, step=number, commit=True)
            self._sent, self._media = max(self._sent, len(self._lines)), {}
        except InputError:
            raise
        except Exception as error:  # whatever W&B dies of: the training is worth more
            self._dead = True
            _abandon_wandb(error)

    @rank_zero_only
    def save(self) -> None:
        """Put the lines on the disk: what a killed process had logged can be sent again."""
        if self._saved < len(self._lines):
            with self._journal.open("a" if self._saved else "w") as journal:
                journal.writelines(json.dumps(line) + "\n" for line in self._lines[self._saved :])
                journal.flush()
                os.fsync(journal.fileno())
            self._saved = len(self._lines)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def save_at_wandb(run_dir: str | Path) -> None:
    """Keep results and report with W&B's run of this process, if there is one, as an artifact."""
    import wandb

    if wandb.run is None:
        return
    try:
        artifact = wandb.Artifact(f"results-{wandb.run.id}", type="results", description="rows, and the report")
        artifact.add_dir(str(Path(run_dir) / "results"), name="results")
        for name in ("report/report.html", "run.yaml"):
            if (path := Path(run_dir) / name).exists():
                artifact.add_file(str(path), name=name)
        wandb.run.log_artifact(artifact)
    except Exception as error:
        _abandon_wandb(error)


def say_caveats_at_wandb(caveats: Sequence[Caveat]) -> None:
    """Say them in W&B's run of this process, if there is one."""
    import wandb

    if wandb.run is None:
        return
    try:
        say_at_wandb(wandb.run, caveats)
    except Exception as error:
        _abandon_wandb(error)


def close_wandb(state: str) -> None:
    """End W&B's run of this process, if there is one, as "finished", "failed" or "preempted"."""
    import wandb

    if wandb.run is None:
        return
    try:
        if state == "preempted":
            wandb.run.mark_preempting()
        wandb.finish(exit_code=0 if state == "finished" else 1)
    except Exception as error:
        _abandon_wandb(error)


def _abandon_wandb(error: Exception) -> None:
    """Say once that W&B died, and keep its own attempts to end well from failing at the exit of the process."""
    import wandb

    _log.warning("logger=wandb: W&B died (%s); nothing more is sent there", _first_line(error))
    with suppress(Exception):
        wandb.teardown(1)
    wandb.run = None
