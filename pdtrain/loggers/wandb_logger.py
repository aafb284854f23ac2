"""The training at W&B, which goes on where it stopped, and never ends because of W&B."""

import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pytorch_lightning import loggers
from pytorch_lightning.loggers.logger import rank_zero_experiment
from pytorch_lightning.utilities import rank_zero_only

from pdtrain.checksums import from_json, json_with_checksum
from pdtrain.errors import InputError, first_line
from pdtrain.files import written_whole
from pdtrain.loggers.wandb_files import first_step, stored_id
from pdtrain.loggers.wandb_run import GLOBAL_STEP, abandon_wandb
from pdtrain.loggers.wandb_scalars import HEADLINE, ChosenScalars
from pdtrain.results import logged
from pdtrain.results.catalogue import Catalogue
from pdtrain.results.rows import Row
from pdtrain.results.run_folder import RunFolder
from pdtrain.results.versions import metrics_as_of_today
from pdtrain.training.processes import process_rank

_log = logging.getLogger(__name__)
_OVER_EPOCHS = ("val/*", "time/*", logged.EPOCH_LOSS, logged.TRAINING_ACCURACY, logged.EVALUATED_ACCURACY)
_AXES = (logged.EPOCH, GLOBAL_STEP)


class WandbLogger(loggers.WandbLogger):
    """Lightning's, with the run's id kept in its folder, and numbered lines, so that a resumed run logs none twice.

    Its lines are kept in `save_dir`/wandb_lines.jsonl too. Training never ends because of W&B: without a server the run
    is logged offline, to be synchronised later; if W&B dies, the other loggers go on. Each is said once.

    Parameters
    ----------
    save_dir
        Folder of the run.
    sweep, job
        Folder of the sweep and number of the job, for a job of a sweep: W&B's group, and the end of its name, where
        `options` give none.
    run_name
        Where neither `options` nor WANDB_NAME give one; in W&B's own sweeps a run has the name that W&B gives it.
    scalars, metric
        As in `ChosenScalars`.
    options
        As Lightning's, and `wandb.init`'s.

    Raises
    ------
    InputError
        If W&B wants an API key and there is none.
    """

    def __init__(
        self,
        *,
        save_dir: str | Path,
        sweep: str | None = None,
        job: str | None = None,
        run_name: str | None = None,
        scalars: str = HEADLINE,
        metric: str | None = None,
        **options: Any,
    ) -> None:
        if sweep is not None:
            named = ", ".join(filter(None, [run_name, f"job {job}"]))
            options |= {"group": options.get("group") or sweep, "name": options.get("name") or named}
        elif not {"WANDB_NAME", "WANDB_SWEEP_ID"} & os.environ.keys():
            options["name"] = options.get("name") or run_name
        run_id = options.pop("id", None)
        if run_id is None and process_rank() == 0:
            run_id = stored_id(save_dir)
        super().__init__(save_dir=save_dir, id=run_id, **options)
        self._wandb_init.pop("anonymous", None)  # W&B warns of it
        self._scalars = ChosenScalars(scalars, metric)
        self._journal = RunFolder(save_dir).wandb_lines
        self._lines: list[dict[str, Any]] = []
        self._saved = 0
        self._sent: int | None = None  # how many W&B has; unknown before it is asked
        self._media: dict[str, Any] = {}
        self._dead = False
        self._has_axes = False

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
            return self._with_axes(super().experiment)
        except (AuthenticationError, UsageError) as error:
            raise InputError(
                f"logger=wandb: {first_line(error)} Log in, or log offline with WANDB_MODE=offline"
            ) from error
        except CommError as error:
            _log.warning(
                "logger=wandb: no connection (%s); logging offline, `wandb sync %s/wandb/offline-run-*` sends it later",
                first_line(error),
                self._save_dir,
            )
            wandb.teardown()
            self._wandb_init["mode"] = "offline"
            return self._with_axes(super().experiment)

    def _with_axes(self, run: Any) -> Any:
        """Draw over epochs what is logged at their end; what is an axis has no chart."""
        if not self._has_axes:
            self._has_axes = True
            for key in _AXES:
                run.define_metric(key, hidden=True)
            for key in _OVER_EPOCHS:
                run.define_metric(key, step_metric=logged.EPOCH)
        return run

    @rank_zero_only
    def go_on(self, logged: int) -> None:
        """Keep the first lines of an earlier process; W&B may have lost some of them with it, or have more."""
        kept = self._journal.read_bytes().splitlines() if self._journal.is_file() else []
        self._lines = [_line(kept[number]) if number < len(kept) else {} for number in range(logged)]
        self._lines = metrics_as_of_today(self._lines)
        if lost := self._lines.count({}):
            _log.warning("%s: %d of the %d lines that were logged before are lost", self._journal, lost, logged)
        with written_whole(self._journal) as temporary:
            temporary.write_text("".join(json_with_checksum(line) + "\n" for line in self._lines))
        self._saved = len(self._lines)
        self._send()

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Add a line, and send it."""
        self._lines.append({**metrics, GLOBAL_STEP: step})
        self._send()

    def chosen(self, rows: Sequence[Row], catalogue: Catalogue) -> dict[str, float]:
        """What of a probe point becomes curves: W&B has the rest in tables and in the artifact."""
        return self._scalars.of(rows, catalogue, None if self._dead else self.experiment)

    def attach(self, media: Mapping[str, Any]) -> None:
        """Send figures, tables or histograms with the next line; they are not kept, nor sent again."""
        self._media |= media

    def _send(self) -> None:
        """Send the lines that W&B does not have."""
        if self._dead:
            return
        try:
            if self._sent is None:
                self._sent = first_step(self.experiment, str(self._save_dir))
            for number in range(self._sent, len(self._lines)):
                media = self._media if number == len(self._lines) - 1 else {}
                self.experiment.log(self._lines[number] | media, step=number, commit=True)
            self._sent, self._media = max(self._sent, len(self._lines)), {}
        except InputError:
            raise
        except Exception as error:  # whatever W&B dies of: the training is worth more
            self._dead = True
            abandon_wandb(error)

    @rank_zero_only
    def save(self) -> None:
        """Put the lines on the disk: what a killed process had logged can be sent again."""
        if self._saved < len(self._lines):
            with self._journal.open("a" if self._saved else "w") as journal:
                journal.writelines(json_with_checksum(line) + "\n" for line in self._lines[self._saved :])
                journal.flush()
                os.fsync(journal.fileno())
            self._saved = len(self._lines)


def _line(kept: bytes) -> dict[str, Any]:
    """A line of an earlier process; empty where it is damaged, since W&B counts it."""
    try:
        line = from_json(kept.decode())
    except ValueError:
        return {}
    return line if isinstance(line, dict) else {}
