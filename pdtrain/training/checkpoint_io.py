"""Writes Lightning's checkpoints whole or not at all, and reads them as data."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from lightning_fabric.plugins import TorchCheckpointIO

from pdtrain.checksums import add_to_zip
from pdtrain.files import written_whole
from pdtrain.training.checkpoints import read_checkpoint


class WholeCheckpointIO(TorchCheckpointIO):
    """Of every kind of checkpoint, a process that is killed while writing one leaves the one before.

    Parameters
    ----------
    folder
        Where the checkpoints of the run lie: no others are ever removed.
    """

    def __init__(self, folder: str | Path) -> None:
        super().__init__()
        self._folder = Path(folder)

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None) -> None:
        """Write `checkpoint`, with a checksum; the file takes its name when it is on the disk."""
        with written_whole(path) as temporary:
            try:
                with temporary.open("wb") as file:
                    torch.save(checkpoint, file)
            except RuntimeError as error:
                if isinstance(error.__context__, OSError):
                    raise error.__context__ from error  # what the disk said, which torch hides
                raise
            add_to_zip(temporary)

    def remove_checkpoint(self, path: Any) -> None:
        """Remove a checkpoint of the run, and nothing else: which one stands in a checkpoint too, and that is data.

        Lightning would remove whatever stands at `path`, folders with all that they hold among it.
        """
        file = Path(str(path))
        if file.parent.resolve() == self._folder.resolve() and file.is_file():
            file.unlink()

    def load_checkpoint(
        self, path: Any, map_location: Callable | None = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Read a checkpoint as tensors and plain values only."""
        return read_checkpoint(path)
