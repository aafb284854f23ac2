"""A part of the truth grid that decides; all of it is docs/information.md, by scripts/table_information.py."""

import pytest
import torch

from table_information import Place, errors, false_positives
from truth_grid import Unit, independent, informative_units


@pytest.mark.parametrize(("stimuli", "values"), [(300, 2), (300, 10), (1000, 8), (3000, 100)])
def test_the_default_is_within_its_tolerance_in_every_regime(stimuli: int, values: int) -> None:
    units = [*map(independent, (0.005, 0.03, 0.3, 1.0)), *informative_units(values)]

    for unit in units:
        place = Place(stimuli, values, unit)
        found = errors(place, 300)
        sampling = 3 * found["spread"] / 300**0.5  # of a mean over 300 units
        assert abs(found["permutation"]) < place.tolerance_bits + sampling, unit.name


def test_other_corrections_are_not() -> None:
    unit = next(unit for unit in informative_units(100) if unit.name == "Gaussian, signal 1.0")
    place = Place(3000, 100, unit)

    found = errors(place, 100)

    assert found["none"] > 0.1 and found["miller_madow"] > place.tolerance_bits


@pytest.mark.parametrize(
    ("stimuli", "values", "active", "least"),
    [
        (300, 10, 0.03, 0.0),
        (1000, 10, 0.005, 0.0),
        (1000, 8, 0.1, 0.04),
        (3000, 100, 0.03, 0.04),
        (3000, 100, 0.01, 0.04),
        (300, 8, 1.0, 0.04),
        (300, 2, 1.0, 0.04),
        (300, 2, 0.1, 0.0),
    ],
)
def test_independent_units_are_found_at_the_level_or_less(
    stimuli: int, values: int, active: float, least: float
) -> None:
    at_5, at_1 = false_positives(Place(stimuli, values, independent(active)), 3000)

    # 0.04 to 0.06 and 0.007 to 0.014, and three standard errors of 3,000 units
    assert least - 0.012 < at_5 < 0.06 + 0.012
    assert at_1 < 0.014 + 0.006


def test_values_below_zero_are_sampling_noise() -> None:
    unit: Unit = independent(0.01)

    found = errors(Place(1000, 10, unit), 1000)

    assert found["lowest"] > -0.01


def test_draws_are_what_they_say() -> None:
    values = torch.arange(1000) % 10

    for unit in informative_units(10):
        assert unit.draw(values, 7, torch.Generator().manual_seed(0)).shape == (1000, 7)
        assert 0 < unit.truth_bits <= unit.unbinned_bits + 1e-9
