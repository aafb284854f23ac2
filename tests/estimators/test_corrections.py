"""How many values are possible, from how many a number of stimuli meets."""

import math

import pytest
import torch

from pdtrain.estimators.corrections import _values_met_by


@pytest.mark.parametrize("stimuli", [2, 5, 40, 300, 2000])
def test_the_number_of_equally_likely_values_is_found_again(stimuli: int) -> None:
    values = torch.tensor([1.0, 1.01, 2.0, 3.7, 24.0, 1000.0, 1e5], dtype=torch.float64)
    count = torch.full_like(values, stimuli)
    met = values * -torch.expm1(count * torch.log1p(-1 / values.clamp_min(1 + 1e-12)))

    found = _values_met_by(count, met)

    # a number that is met but for rounding errs by what rounding leaves of it
    assert found == pytest.approx(values, rel=1e-4)


def test_no_more_values_are_found_than_can_be_told_apart() -> None:
    all_differ = torch.tensor([10.0, 100.0], dtype=torch.float64)

    assert _values_met_by(all_differ, all_differ).tolist() == pytest.approx([math.exp(16)] * 2)
    assert _values_met_by(all_differ, torch.zeros(2, dtype=torch.float64)).tolist() == [1.0, 1.0]
