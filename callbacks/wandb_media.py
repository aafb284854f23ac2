"""What W&B shows beside lines: figures over depth and epochs, and how information is spread over units."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import pytorch_lightning as lightning
from matplotlib.figure import Figure

from pdtrain.callbacks.listening import ProbeListener
from pdtrain.errors import InputError
from pdtrain.loggers.wandb_logger import WandbLogger
from pdtrain.loggers.wandb_run import at_wandb, say_caveats
from pdtrain.report import dynamics, profiles
from pdtrain.report.style import estimated
from pdtrain.results.caveats import caveats_at
from pdtrain.results.measures import UNIT, Catalogue
from pdtrain.results.reader import epoch_ends, load
from pdtrain.results.rows import ProbePoint, Row
from pdtrain.results.run_folder import files_of_rows


class WandbMedia(ProbeListener):
    """Attaches figures and histograms to W&B's lines, and says there at once if a network is dead; nothing without W&B.

    Parameters
    ----------
    every_epochs
        How often figures are drawn, since one takes about a second; after the last epoch in any case.
    """

    def __init__(self, every_epochs: int = 5) -> None:
        if every_epochs < 1:
            raise InputError(f"callbacks.wandb_media.every_epochs={every_epochs}: give 1 or more")
        self._every = every_epochs

    def on_probe(
        self, trainer: lightning.Trainer, point: ProbePoint, rows: Sequence[Row], catalogue: Catalogue
    ) -> None:
        """Draw what has been measured so far."""
        loggers = [logger for logger in trainer.loggers if isinstance(logger, WandbLogger)]
        if loggers:
            at_wandb(say_caveats, caveats_at(point, rows))
        last = point.epoch == trainer.max_epochs
        within_epoch = point.step % max(trainer.num_training_batches, 1) != 0
        if not loggers or within_epoch or (point.epoch % self._every and not last):
            return
        media = self._media(trainer, catalogue)
        for logger in loggers:
            logger.attach(media)

    def _media(self, trainer: lightning.Trainer, catalogue: Catalogue) -> dict[str, object]:
        import wandb

        run_dir = str(trainer.default_root_dir)
        rows = estimated(epoch_ends(load(run_dir)))
        figures = catalogue.figures(rows)
        media: dict[str, object] = {
            f"figures/{name}": _image(profiles.profile(rows, measures)) for name, measures in figures.items()
        }
        if media:
            media["figures/heat_maps"] = _image(dynamics.heat_maps(rows, catalogue.drawn(rows)))
        if any(files_of_rows(run_dir, "units")):
            units = load(run_dir, units=True)
            newest = units[(units.step == units.step.max()) & units.value.notna()]  # what has no value is in no bin
            of_units = newest.groupby(["layer", "probe", "quantity", "property"]).value
            for (layer, probe, quantity, about), values in of_units:
                name = about if probe == UNIT.probe else f"{probe}/{quantity}"
                media[f"units/{layer}/{name}"] = wandb.Histogram(values.to_numpy(), num_bins=32)
        return media


def _image(figure: Figure) -> object:
    import wandb

    image = wandb.Image(figure)
    plt.close(figure)
    return image
