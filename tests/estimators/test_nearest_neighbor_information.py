import math

import pytest
import torch
from sklearn.feature_selection import mutual_info_regression
from torch import Tensor

from pdtrain.estimators.nearest_neighbor_information import nearest_neighbor_information
from truth_grid import Unit, independent, informative_units, values_of


def _gaussian(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("rho", [0.0, 0.3, 0.6, 0.9])
def test_gaussian_information_is_recovered(rho: float) -> None:
    property = _gaussian(1000)
    responses = rho * property[:, None] + math.sqrt(1 - rho**2) * _gaussian(1000, 30, seed=1)

    found = nearest_neighbor_information(responses, property)

    assert float(found.mean()) == pytest.approx(-0.5 * math.log2(1 - rho**2), abs=0.04)


@pytest.mark.parametrize("unit", informative_units(10), ids=lambda unit: unit.name)
def test_units_that_are_partly_discrete_are_right(unit: Unit) -> None:
    values = values_of(1000, 10)
    responses = unit.draw(values, 20, torch.Generator().manual_seed(0))

    found = nearest_neighbor_information(responses, values, kind="discrete")

    sampling = 3 * float(found.std()) / 20**0.5
    assert abs(float(found.mean()) - unit.unbinned_bits) < max(0.015, 0.02 * unit.unbinned_bits) + sampling


@pytest.mark.parametrize("stimuli", [300, 1000])
@pytest.mark.parametrize("active", [0.01, 0.05, 0.1, 1.0])
def test_independent_units_carry_nothing(stimuli: int, active: float) -> None:
    values = values_of(stimuli, 10)
    responses = independent(active).draw(values, 60, torch.Generator().manual_seed(0))
    responses = responses[:, (responses > 0).any(0)]

    about_classes = nearest_neighbor_information(responses, values, kind="discrete")
    about_places = nearest_neighbor_information(responses, _gaussian(stimuli, seed=3))

    assert abs(float(about_classes.mean())) < 0.02 and abs(float(about_places.mean())) < 0.02


def test_smooth_units_agree_with_scikit_learn() -> None:
    property, noise = _gaussian(1000), _gaussian(1000, 10, seed=1)
    responses = property[:, None].tanh() + 0.5 * noise

    ours = nearest_neighbor_information(responses, property)
    peer = mutual_info_regression(responses.numpy(), property.numpy(), n_neighbors=5, random_state=0) / math.log(2)

    assert float(ours.mean()) == pytest.approx(peer.mean(), abs=0.03)


def test_increasing_maps_change_nothing() -> None:
    property, responses = _gaussian(300), _gaussian(300, 3, seed=1).relu()

    before = nearest_neighbor_information(responses, property)

    torch.testing.assert_close(before, nearest_neighbor_information(responses.double().exp(), property**3))


def test_a_circular_property_has_no_ends() -> None:
    angle = torch.rand(1000, generator=torch.Generator().manual_seed(0)) * math.pi
    responses = (2 * angle).cos()[:, None] + 0.5 * _gaussian(1000, 20)

    found, turned = (
        nearest_neighbor_information(responses, a % math.pi, kind="circular", period=math.pi)
        for a in (angle, angle + 1.0)
    )

    assert float(found.mean()) > 0.6
    torch.testing.assert_close(found, turned, atol=2e-3, rtol=0)


def test_what_cannot_be_estimated_is_nan_and_silent_units_carry_nothing() -> None:
    responses = torch.cat([torch.zeros(60, 1), _gaussian(60, 1)], 1)

    assert nearest_neighbor_information(responses, torch.ones(60)).isnan().all()
    assert nearest_neighbor_information(responses[:19], _gaussian(19)).isnan().all()
    assert nearest_neighbor_information(responses, torch.arange(60), kind="discrete").isnan().all()
    assert float(nearest_neighbor_information(responses, _gaussian(60, seed=2))[0]) == 0


def test_a_class_of_one_stimulus_is_left_out() -> None:
    values = torch.cat([torch.arange(200) % 2, torch.tensor([7])])
    responses = torch.where(values == 0, 1.0, 0.0)[:, None]

    found = nearest_neighbor_information(responses, values, kind="discrete")

    assert float(found[0]) == pytest.approx(1, abs=0.02)


def test_responses_that_are_not_finite_are_named() -> None:
    responses = _gaussian(50, 2)
    responses[3, 1] = torch.nan

    with pytest.raises(ValueError, match="stimulus 3, unit 1 is nan"):
        nearest_neighbor_information(responses, _gaussian(50))


def test_half_precision_and_gradients_are_no_obstacle() -> None:
    responses, property = _gaussian(100, 2), _gaussian(100, seed=1)

    found = nearest_neighbor_information(responses.bfloat16().requires_grad_(), property.requires_grad_())

    assert found.isfinite().all()
