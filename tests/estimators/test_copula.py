import math

import pytest
import torch

from pdtrain.estimators.copula import class_copula_information, copula_information


def _gaussian(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("rho", [0.0, 0.3, 0.6, 0.9])
def test_gaussian_information_is_recovered(rho: float) -> None:
    property = _gaussian(2000, 1)
    responses = rho * property + math.sqrt(1 - rho**2) * _gaussian(2000, 300, seed=1)

    found = copula_information(responses, property)

    # one property for all units: its own sampling error is shared by them
    assert float(found.mean()) == pytest.approx(-0.5 * math.log2(1 - rho**2), abs=0.03 if rho == 0.9 else 0.02)


def test_median_unit_recovers_gaussian_information_over_fresh_samples() -> None:
    found = []
    for seed in range(40):
        property, noise = _gaussian(2000, 1, seed=2 * seed), _gaussian(2000, 1, seed=2 * seed + 1)
        found.append(float(copula_information(0.9 * property + math.sqrt(0.19) * noise, property)))

    assert sum(found) / 40 == pytest.approx(-0.5 * math.log2(0.19), abs=0.02)


def test_monotone_maps_change_nothing() -> None:
    property, responses = _gaussian(500, 1), _gaussian(500, 4, seed=1)

    before, after = copula_information(responses, property), copula_information(responses.exp(), property**3)

    torch.testing.assert_close(before, after)


def test_circular_property_of_two_columns() -> None:
    angle = _gaussian(3000, 1) * 3
    circle = torch.cat([angle.cos(), angle.sin()], 1)
    tuned, blind = angle.cos() + 0.3 * _gaussian(3000, 1, seed=1), _gaussian(3000, 1, seed=2)

    found = copula_information(torch.cat([tuned, blind], 1), circle)

    assert float(found[0]) > 0.8 and abs(float(found[1])) < 0.005


def test_classes_of_known_separation() -> None:
    labels = torch.arange(4000) % 2
    responses = _gaussian(4000, 100) + 3.0 * labels[:, None]

    found = class_copula_information(torch.cat([responses, _gaussian(4000, 100, seed=1)], 1), labels)

    # two unit Gaussians 3 apart: H = 0.72 bit by numerical integration of the mixture
    assert float(found[:100].mean()) == pytest.approx(0.72, abs=0.12)
    assert abs(float(found[100:].mean())) < 0.002


def test_silent_units_carry_nothing() -> None:
    assert float(copula_information(torch.zeros(100, 1), _gaussian(100, 1))) == 0
    assert float(class_copula_information(torch.zeros(100, 1), torch.arange(100) % 2)) == 0
