"""The units that a run of pdtrain 0.1.0 was probed on, so that what is measured later is measured on the same ones.

Which units that version sampled of a layer depended on the other layers; they are read from what it stored.
"""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pyarrow.parquet as parquet
import torch
from jaxtyping import Int
from torch import Tensor

from pdtrain.activations.layers import Layer
from pdtrain.errors import DamagedFile
from pdtrain.results.store import ResultsStore

_LATER_COLUMN = "estimator"  # which later versions write, and 0.1.0 did not


def units_of_first_version(
    store: ResultsStore, layers: Sequence[Layer], max_units: int
) -> dict[str, Int[Tensor, " units"]]:
    """Read the units of layers that pdtrain 0.1.0 stored, in the probe set of `store` or else in that of training.

    Parameters
    ----------
    store
        Of the run; most have nothing of that version, and give nothing here.
    layers
        Those to be probed now.
    max_units
        As in `Recorder`. Units are only given where as many were stored as are asked for now.

    Returns
    -------
    dict
        By the layer's name, ascending flat indices.

    Raises
    ------
    DamagedFile
        If a file is.
    """
    stored: dict[str, list[int]] = {}
    for folder in (store.folder.parent, store.folder):  # the probe set's own over those of training
        for file in sorted(folder.glob("epoch=*.units.parquet")):
            if (found := _units(file)) is not None:
                stored |= found
                break
    given = {}
    for layer in layers:
        units = stored.get(layer.name, [])
        if len(units) == min(layer.units, max_units) and max(units) < layer.units:
            given[layer.name] = torch.tensor(units)
    return given


def _units(file: Path) -> dict[str, list[int]] | None:
    """Units of each layer in a file of the first version; None for one of a later version."""
    try:
        if _LATER_COLUMN in parquet.read_schema(file).names:
            return None
        pairs = pd.read_parquet(file, columns=["layer", "unit"]).drop_duplicates()
    except Exception as error:  # whatever a damaged file brings about
        raise DamagedFile(f"{file}: damaged; remove it, and probe its checkpoint again with pdtrain-probe") from error
    return {str(layer): sorted(int(unit) for unit in units) for layer, units in pairs.groupby("layer")["unit"]}
