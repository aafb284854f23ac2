import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import mutual_info_score

from pdtrain.estimators.information import (
    benjamini_hochberg,
    discretize,
    discretize_circular,
    unit_information,
)


def _gaussian(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_plugin_information_equals_scikit_learn() -> None:
    values = _gaussian(500, 7)
    responses, properties = discretize(values.relu()), discretize(values[:, :3] + _gaussian(500, 3, seed=1))

    found = unit_information(responses, properties, correction="none")

    for p, information in enumerate(found):
        expected = [mutual_info_score(responses[:, u], properties[:, p]) / math.log(2) for u in range(7)]
        np.testing.assert_allclose(information.plugin_bits.numpy(), expected, atol=1e-6)


def test_paired_information_is_that_of_each_unit_with_its_own_property() -> None:
    responses, properties = discretize(_gaussian(400, 5)), discretize(_gaussian(400, 5, seed=1))

    paired = unit_information(responses, properties, paired=True)[0]

    crossed = unit_information(responses, properties)
    expected = torch.stack([crossed[u].information_bits[u] for u in range(5)])
    torch.testing.assert_close(paired.information_bits, expected)


@pytest.mark.parametrize("correction", ["miller_madow", "panzeri_treves", "shuffle"])
@pytest.mark.parametrize("stimuli", [500, 1000])
def test_independent_units_carry_nothing_after_correction(correction: str, stimuli: int) -> None:
    responses, properties = discretize(_gaussian(stimuli, 2000)), discretize(_gaussian(stimuli, 1, seed=1))

    found = unit_information(responses, properties, correction=correction, shuffles=5)[0]

    assert abs(float(found.information_bits.mean())) < 0.003
    assert float(found.plugin_bits.mean()) > 0.03


def test_gaussian_information_is_approached_from_below() -> None:
    rho, stimuli = 0.8, 20_000
    response = _gaussian(stimuli, 1)
    property = rho * response + math.sqrt(1 - rho**2) * _gaussian(stimuli, 1, seed=1)

    found = float(unit_information(discretize(response), discretize(property))[0].information_bits)

    exact = -0.5 * math.log2(1 - rho**2)
    assert 0.85 * exact < found < exact


def test_false_positive_rate_of_the_g_test() -> None:
    responses, properties = discretize(_gaussian(1000, 5000)), discretize(_gaussian(1000, 1, seed=1))

    p_values = unit_information(responses, properties)[0].p_values

    assert 0.03 < float((p_values < 0.05).double().mean()) < 0.08


def test_silent_units_carry_nothing_and_are_marked() -> None:
    responses = discretize(torch.cat([torch.zeros(200, 1), _gaussian(200, 1)], 1))

    found = unit_information(responses, discretize(_gaussian(200, 1, seed=1)))[0]

    assert found.silent.tolist() == [True, False]
    assert float(found.information_bits[0]) == 0


def test_zeros_keep_a_bin_of_their_own() -> None:
    codes = discretize(_gaussian(1000, 1).relu())

    values = _gaussian(1000, 1)
    assert ((codes == 0) == (values <= 0)).all()
    assert codes.unique().tolist() == list(range(8))


def test_circular_bins_join_the_ends() -> None:
    codes = discretize_circular(torch.tensor([0.01, math.pi - 0.01, math.pi / 2]), math.pi)

    assert codes.tolist() == [0, 0, 4]


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10**6))
def test_information_is_invariant_under_monotone_maps_of_the_response(seed: int) -> None:
    values, property = _gaussian(200, 3, seed=seed), discretize(_gaussian(200, 1, seed=seed + 1))

    before, after = (unit_information(discretize(v), property)[0] for v in (values, values.double().exp() * 3 + 1))

    torch.testing.assert_close(before.information_bits, after.information_bits)


def test_benjamini_hochberg_keeps_the_step_up_rule() -> None:
    significant = benjamini_hochberg(torch.tensor([0.03, 0.001, 0.9, 0.035]), 0.05)

    assert significant.tolist() == [True, True, False, True]
