"""What W&B shows beside curves: tables of all rows, charts along depth, figures, and how units spread."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import pandas as pd
import pytorch_lightning as lightning

from pdtrain.callbacks.listening import ProbeListener
from pdtrain.limits import check_value
from pdtrain.loggers.wandb_charts import TABLE, depth_charts, hide_numbers, rows_table
from pdtrain.loggers.wandb_logger import WandbLogger
from pdtrain.loggers.wandb_run import at_wandb, say_caveats
from pdtrain.results.catalogue import Catalogue
from pdtrain.results.caveats import caveats_at
from pdtrain.results.reader import epoch_ends, load
from pdtrain.results.rows import ProbePoint, Row
from pdtrain.results.run_folder import files_of_rows

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_FIRST_SECONDS = 5.0  # what drawing is taken to cost before it has been measured


class WandbMedia(ProbeListener):
    """Attaches to W&B's lines what is no curve, and says there at once if a network is dead; nothing without W&B.

    A table of all rows goes with every point, charts of the headline set along depth with every epoch that is probed;
    figures and histograms are drawn now and then, and of the last epoch in any case, when training has ended.

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
        self._epochs: pd.DataFrame | None = None  # rows that go along depth, of the epochs so far

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
        within_epoch = point.step > 0 and point.epoch == trainer.current_epoch
        self._show_point(trainer, point, rows, catalogue, within_epoch)
        if within_epoch:
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

    def _show_point(
        self, trainer: lightning.Trainer, point: ProbePoint, rows: Sequence[Row], catalogue: Catalogue, within: bool
    ) -> None:
        """Attach the table of a point, and the charts along depth of one that ends an epoch."""
        self._attach(trainer, {TABLE: rows_table(point, rows, catalogue)})
        if within:
            return
        first = self._epochs is None
        charts = depth_charts(self._of_epochs(str(trainer.default_root_dir), point, catalogue), catalogue)
        self._attach(trainer, charts)
        if first:
            at_wandb(hide_numbers, charts)

    def _attach(self, trainer: lightning.Trainer, media: Mapping[str, object]) -> None:
        for logger in _loggers(trainer):
            logger.attach(media)

    def _of_epochs(self, run_dir: str, point: ProbePoint, catalogue: Catalogue) -> pd.DataFrame:
        """Rows of the headline set, and of the indices, of all epochs; of a run that goes on, also those before."""
        before = self._epochs
        rows = epoch_ends(load(run_dir, epochs=None if before is None else [point.epoch]))
        of_headline = rows[[bool(catalogue.of(row).headline) for row in rows.itertuples()]]
        self._epochs = of_headline if before is None else pd.concat([before, of_headline], ignore_index=True)
        return self._epochs

    def _may_draw(self) -> bool:
        return self._share is None or self._spent + self._costs <= self._share * (time.monotonic() - self._began)

    def _draw(self, trainer: lightning.Trainer, catalogue: Catalogue) -> None:
        begun, self._undrawn = time.monotonic(), None
        self._attach(trainer, _media(str(trainer.default_root_dir), catalogue))
        self._costs = time.monotonic() - begun
        self._spent += self._costs


def _loggers(trainer: lightning.Trainer) -> list[WandbLogger]:
    return [logger for logger in trainer.loggers if isinstance(logger, WandbLogger)]


def _media(run_dir: str, catalogue: Catalogue) -> dict[str, object]:

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
        media |= _histograms(run_dir, rows, catalogue)
    return media


def _histograms(run_dir: str, rows: pd.DataFrame, catalogue: Catalogue) -> dict[str, object]:
    """How the values of units are spread that the headline set has the means of, a section each."""
    import wandb

    units = load(run_dir, units=True, epochs=[int(rows["epoch"].max())])
    newest = units[(units.step == units.step.max()) & units.value.notna()]  # what has no value is in no bin
    return {
        f"{name}_units/{layer}": wandb.Histogram(of_layer.value.tolist(), num_bins=32)
        for name, (measure, about, _) in catalogue.headline_profiles(rows).items()
        for layer, of_layer in measure.of_units(newest[newest["property"] == about]).groupby("layer", sort=False)
    }


def _image(figure: Figure) -> object:
    import matplotlib.pyplot as plt
    import wandb

    image = wandb.Image(figure)
    plt.close(figure)
    return image
