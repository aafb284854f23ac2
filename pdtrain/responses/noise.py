"""Takes the noise of single trials off: every value is extrapolated to infinitely many trials.

Noise that is left in a mean over trials raises the intrinsic dimension and lowers information. It falls as 1/trials, so
that v(n) = v + c/n: from all n trials and from a share of them, v = (v(n) - share v(share n)) / (1 - share), as Strong
et al. (1998) extrapolate in the number of samples.
"""

from collections.abc import Sequence
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from pdtrain.probes.rows import mean_with_error
from pdtrain.results.measures import Catalogue
from pdtrain.results.rows import Measurement, Row

CORRECTED = "_noise_corrected"


def noise_corrected(
    found: Measurement, parts: Sequence[Measurement], catalogue: Catalogue, *, trials: int, fewer: int
) -> list[Row]:
    """Extrapolate the rows of all trials from those of random parts of them, where their measures allow it.

    Parameters
    ----------
    found
        Measured on the mean of all trials.
    parts
        The same, each on the mean of `fewer` random trials.
    catalogue
        Their measures.
    trials, fewer
        Number of trials of either.

    Returns
    -------
    list of Row
        Quantities whose names end in `CORRECTED`. The interval of a mean over neurons is that over the corrected
        neurons; of a dimension, that of all trials widened by how the parts scatter.
    """
    share = fewer / trials
    of_neurons = _of_neurons(found)
    of_parts = [_of_neurons(part) for part in parts]
    corrected = []
    for index, row in enumerate(found.rows):
        measure = catalogue.of(row)
        if not measure.extrapolates:
            continue
        key = (row.layer, row.probe, measure.unit_quantity or row.quantity, row.property)
        if measure.per == "unit" and key in of_neurons:
            mean_of_parts = torch.stack([part[key] for part in of_parts]).mean(0)
            neurons = (of_neurons[key] - share * mean_of_parts) / (1 - share)
            value, deviation, _ = mean_with_error(neurons)
        else:
            values = torch.tensor([part.rows[index].value for part in parts], dtype=torch.float64)
            value = (row.value - share * float(values.mean())) / (1 - share)
            scatter = share / (1 - share) * (float(values.std()) if len(values) > 1 else 0.0)
            deviation = (row.standard_deviation**2 + scatter**2) ** 0.5
        corrected.append(
            replace(
                row, quantity=row.quantity + CORRECTED, value=value, standard_deviation=deviation,
                lower=value - 1.96 * deviation, upper=value + 1.96 * deviation,
                note=f"extrapolated from {trials} and {fewer} trials",
            )
        )  # fmt: skip
    return corrected


def _of_neurons(measurement: Measurement) -> dict[tuple[str, str, str, str], Float[Tensor, " neurons"]]:
    """The value of each neuron, by area, probe, quantity and property."""
    bits: dict[tuple[str, str, str, str], list[float]] = {}
    for row in measurement.unit_rows:
        bits.setdefault((row.layer, row.probe, row.quantity, row.property), []).append(row.value)
    return {key: torch.tensor(values, dtype=torch.float64) for key, values in bits.items()}
