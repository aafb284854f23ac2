import math
from dataclasses import replace

import pytest

from pdtrain.estimators.halvings import SPLITS
from pdtrain.responses.noise import CORRECTED, noise_corrected
from pdtrain.results.catalogue import Catalogue
from pdtrain.results.rows import Measurement, Row, UnitRow


def _measured(trials: int) -> Measurement:
    """Values that lack c / trials of what they are without noise: three neurons, and a dimension."""
    neurons = [1.0, 2.0, 6.0]
    bits = [value - 2.0 / trials for value in neurons]
    halves = tuple([0.1 * (1 + 1 / trials)] * SPLITS)
    mean = Row(
        "V1", 0, 0.0, "unit_information", "mean", "luminance", sum(bits) / 3, half_differences=halves
    )  # fmt: skip
    dimension = Row("V1", 0, 0.0, "intrinsic_dimension", "two_nn", "", 5 + 4.0 / trials, standard_deviation=0.3)
    other = Row("V1", 0, 0.0, "unit_information", "median", "luminance", bits[1])
    units = [UnitRow("V1", i, "unit_information", "information", "luminance", value) for i, value in enumerate(bits)]
    return Measurement([mean, dimension, other], units)


@pytest.mark.parametrize("trials", [4, 7])
def test_what_falls_as_one_over_trials_is_taken_off_exactly(trials: int) -> None:
    fewer = trials // 2

    mean, dimension = noise_corrected(
        _measured(trials), [_measured(fewer)] * 3, Catalogue(), trials=trials, fewer=fewer
    )

    assert (mean.quantity, dimension.quantity) == (f"mean{CORRECTED}", f"two_nn{CORRECTED}")
    assert mean.value == pytest.approx(3) and dimension.value == pytest.approx(5)
    over_neurons = (mean.units_upper - mean.units_lower) / (2 * 1.96)
    assert over_neurons == pytest.approx(math.sqrt(7 / 3)), "that of 1, 2 and 6, over the root of 3"
    of_all, of_parts = 0.1 * (1 + 1 / trials), 0.1 * (1 + 1 / fewer)
    share = fewer / trials
    assert mean.standard_deviation == pytest.approx((of_all - share * of_parts) / (1 - share)) == pytest.approx(0.1)
    assert dimension.standard_deviation == pytest.approx(0.3), "the parts do not scatter"


def test_parts_that_scatter_widen_the_interval_of_a_dimension() -> None:
    parts = [_measured(2), _measured(2)]
    parts[1].rows[1] = replace(parts[1].rows[1], value=parts[1].rows[1].value + 1)

    _, dimension = noise_corrected(_measured(4), parts, Catalogue(), trials=4, fewer=2)

    assert dimension.standard_deviation == pytest.approx(math.sqrt(0.3**2 + 0.5))
    assert dimension.upper - dimension.value == pytest.approx(2.09 * dimension.standard_deviation, rel=0.01)
