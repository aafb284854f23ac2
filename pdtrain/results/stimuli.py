"""Keeps what a report shows of the stimuli beside the results: a sample of the images, and all property values."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pdtrain.checksums import add_to_zip, zip_is_intact
from pdtrain.errors import DamagedFile
from pdtrain.files import written_whole
from pdtrain.results.run_folder import RunFolder

if TYPE_CHECKING:  # a report, which reads them, needs no torch
    from pdtrain.stimuli.stimulus_set import StimulusSet

_SHOWN = 60


def save_stimuli(run_dir: str | Path, stimuli: StimulusSet, properties: Sequence[str]) -> None:
    """Write the first stimuli (uint8) and every stimulus's whole-image properties; appears whole or not at all."""
    from pdtrain.stimuli.normalization import intensities

    names = [name for name in properties if "@" not in name]
    values: dict[str, Any] = {f"property_{name}": stimuli.values(name).numpy() for name in names}
    images = (intensities(stimuli.pixels[:_SHOWN]) * 255).round().byte().permute(0, 2, 3, 1).numpy()
    with written_whole(RunFolder(run_dir).stimuli) as temporary:
        np.savez_compressed(temporary, images=images, **values)
        add_to_zip(temporary)


def load_stimuli(run_dir: str | Path) -> tuple[np.ndarray, dict[str, np.ndarray]] | None:
    """Images, shape (shown, height, width, channels), and property values; None if the run kept none."""
    path = RunFolder(run_dir).stimuli
    if not path.exists():
        return None
    try:
        if not zip_is_intact(path):
            raise ValueError("its checksum differs")
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            values = {n.removeprefix("property_"): arrays[n] for n in arrays.files if n.startswith("property_")}
            return arrays["images"], values
    except Exception as error:  # whatever a damaged file brings about
        raise DamagedFile(f"{path}: damaged; remove it, and the report has no stimuli") from error
