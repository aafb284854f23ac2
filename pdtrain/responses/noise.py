"""Takes the noise of single trials off: every value is extrapolated to infinitely many trials.

Noise that is left in a mean over trials raises the intrinsic dimension and lowers information. It falls as 1/trials, so
that v(n) = v + c/n: from all n trials and from a share of them, v = (v(n) - share v(share n)) / (1 - share), as Strong
et al. (1998) extrapolate in the number of samples.
"""

import math
from collections.abc import Sequence
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from pdtrain.estimators.half_samples import interval, standard_error
from pdtrain.probes.rows import mean_with_error
from pdtrain.results.catalogue import Catalogue
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
        Quantities whose names end in `CORRECTED`. The interval over stimuli is that of the extrapolated value, widened
        by how the parts scatter; that over units is over the corrected neurons.
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
        same = [part.rows[index] for part in parts]
        values = torch.tensor([other.value for other in same], dtype=torch.float64)
        value = (row.value - share * float(values.mean())) / (1 - share)
        over_units = (math.nan, math.nan)
        if measure.per == "unit" and key in of_neurons:
            mean_of_parts = torch.stack([part[key] for part in of_parts]).mean(0)
            value, error, _ = mean_with_error((of_neurons[key] - share * mean_of_parts) / (1 - share))
            over_units = (value - 1.96 * error, value + 1.96 * error)
        half_differences = _extrapolated(row, same, share)
        scatter = share / (1 - share) * (float(values.std()) if len(values) > 1 else 0.0)
        error = float(standard_error(torch.tensor(half_differences))) if half_differences else row.standard_deviation
        deviation = math.hypot(error, scatter)
        lower, upper = interval(value, deviation)
        corrected.append(
            replace(
                row, quantity=row.quantity + CORRECTED, value=value, standard_deviation=deviation, lower=lower,
                upper=upper, units_lower=over_units[0], units_upper=over_units[1], half_differences=half_differences,
                note=f"extrapolated from {trials} and {fewer} trials",
            )
        )  # fmt: skip
    return corrected


def _extrapolated(row: Row, parts: Sequence[Row], share: float) -> tuple[float, ...]:
    """Half differences between the stimuli, of the extrapolated value."""
    known = [part.half_differences for part in parts if part.half_differences]
    if not row.half_differences or not known:
        return ()
    of_parts = torch.tensor(known, dtype=torch.float64).mean(0)
    return tuple(((torch.tensor(row.half_differences) - share * of_parts) / (1 - share)).tolist())


def _of_neurons(measurement: Measurement) -> dict[tuple[str, str, str, str], Float[Tensor, " neurons"]]:
    """The value of each neuron, by area, probe, quantity and property."""
    bits: dict[tuple[str, str, str, str], list[float]] = {}
    for row in measurement.unit_rows:
        bits.setdefault((row.layer, row.probe, row.quantity, row.property), []).append(row.value)
    return {key: torch.tensor(values, dtype=torch.float64) for key, values in bits.items()}
