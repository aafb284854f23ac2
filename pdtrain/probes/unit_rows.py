"""Means over units, and what their rows are called: with all units, and without the silent ones."""

from jaxtyping import Float
from torch import Tensor

ACTIVE = "_of_active"  # ends the name of a mean that leaves silent units out


def mean_with_error(values: Float[Tensor, " units"]) -> tuple[float, float, int]:
    """Mean over the units that have a value, its standard error, and how many they are; NaN where there are too few."""
    values = values[~values.isnan()].double()
    mean = float(values.mean()) if len(values) else float("nan")
    error = float(values.std() / len(values) ** 0.5) if len(values) > 1 else float("nan")
    return mean, error, len(values)
