"""What W&B shows beside lines: figures over depth and epochs, and how information is spread over units."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import pytorch_lightning as lightning

from pdtrain.callbacks.listening import ProbeListener
from pdtrain.limits import check_value
from pdtrain.loggers.wandb_logger import WandbLogger
from pdtrain.loggers.wandb_run import at_wandb, say_caveats
from pdtrain.results.caveats import caveats_at
from pdtrain.results.measures import UNIT, Catalogue
from pdtrain.results.reader import epoch_ends, load
from pdtrain.results.rows import ProbePoint, Row
from pdtrain.results.run_folder import files_of_rows

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_FIRST_SECONDS = 5.0  # what drawing is taken to cost before it has been measured


class WandbMedia(ProbeListener):
    """Attaches figures and histograms to W&B's lines, and says there at once if a network is dead; nothing without W&B.

    The last epoch that was probed is drawn in any case, when training has ended.

    Parameters
    ----------
    every_epochs
        How often figures are drawn at most.
    share_of_time
        Of the time since training began, how much drawing may take: where it would take more, it waits for a later
        epoch. None draws whatever it takes.
    """

    def __init__(self, every_epochs: int = 5, share_of_time: float | None = 0.02) -> None:
        check_value("callbacks.wandb_media.every_epochs", every_epochs)
        check_value("callbacks.wandb_media.share_of_time", share_of_time)
        self._every, self._share = every_epochs, share_of_time
        self._began, self._spent, self._costs = time.monotonic(), 0.0, _FIRST_SECONDS
        self._undrawn: tuple[ProbePoint, Catalogue] | None = None

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Begin to count the time of which a share may be spent."""
        self._began, self._spent = time.monotonic(), 0.0

    def on_probe(
        self, trainer: lightning.Trainer, point: ProbePoint, rows: Sequence[Row], catalogue: Catalogue
    ) -> None:
        """Draw what has been measured so far."""
        if not _loggers(trainer):
            return
        at_wandb(say_caveats, caveats_at(point, rows))
        if point.step % max(trainer.num_training_batches, 1) != 0:  # within an epoch
            return
        last = point.epoch == trainer.max_epochs
        if last or (point.epoch % self._every == 0 and self._may_draw()):
            self._draw(trainer, catalogue)
        else:
            self._undrawn = point, catalogue

    def on_train_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Draw the last epoch of a training that ended before it was to."""
        if self._undrawn is None:
            return
        point, catalogue = self._undrawn
        self._draw(trainer, catalogue)
        for logger in _loggers(trainer):
            logger.log_metrics({"epoch": float(point.epoch)}, step=trainer.global_step)

    def _may_draw(self) -> bool:
        return self._share is None or self._spent + self._costs <= self._share * (time.monotonic() - self._began)

    def _draw(self, trainer: lightning.Trainer, catalogue: Catalogue) -> None:
        begun, self._undrawn = time.monotonic(), None
        media = _media(str(trainer.default_root_dir), catalogue)
        for logger in _loggers(trainer):
            logger.attach(media)
        self._costs = time.monotonic() - begun
        self._spent += self._costs


def _loggers(trainer: lightning.Trainer) -> list[WandbLogger]:
    return [logger for logger in trainer.loggers if isinstance(logger, WandbLogger)]


def _media(run_dir: str, catalogue: Catalogue) -> dict[str, object]:
    import wandb

    from pdtrain.report import dynamics, profiles, similarity_figures
    from pdtrain.report.style import estimated

    rows = estimated(epoch_ends(load(run_dir)))
    figures = catalogue.figures(rows)
    media: dict[str, object] = {
        f"figures/{name}": _image(profiles.profile(rows, measures)) for name, measures in figures.items()
    }
    if media:
        media["figures/heat_maps"] = _image(dynamics.heat_maps(rows, catalogue.drawn(rows)))
    for name, measures in catalogue.maps(rows).items():
        media[f"figures/{name}"] = _image(similarity_figures.layer_maps(rows, measures))
    if any(files_of_rows(run_dir, "units")):
        units = load(run_dir, units=True)
        newest = units[(units.step == units.step.max()) & units.value.notna()]  # what has no value is in no bin
        of_units = newest.groupby(["layer", "probe", "quantity", "property"]).value
        for (layer, probe, quantity, about), values in of_units:
            name = about if probe == UNIT.probe else f"{probe}/{quantity}"
            media[f"units/{layer}/{name}"] = wandb.Histogram(values.to_numpy(), num_bins=32)
    return media


def _image(figure: Figure) -> object:
    import matplotlib.pyplot as plt
    import wandb

    image = wandb.Image(figure)
    plt.close(figure)
    return image
