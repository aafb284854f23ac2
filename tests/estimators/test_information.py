import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import multivariate_normal, norm
from sklearn.metrics import mutual_info_score

from pdtrain.estimators.discretization import discretize, discretize_circular
from pdtrain.estimators.information import unit_information
from pdtrain.estimators.significance import benjamini_hochberg


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


@pytest.mark.parametrize("correction", ["panzeri_treves", "shuffle"])
@pytest.mark.parametrize("rectified", [False, True])
@pytest.mark.parametrize("stimuli", [500, 1000, 5000])
def test_independent_units_carry_nothing_after_correction(correction: str, rectified: bool, stimuli: int) -> None:
    values = _gaussian(stimuli, 2000)
    responses = discretize(values.relu() if rectified else values)
    property = discretize(_gaussian(stimuli, 1, seed=1))

    found = unit_information(responses, property, correction=correction, shuffles=20)[0]

    assert abs(float(found.information_bits.mean())) < 0.003
    assert float(found.plugin_bits.mean()) > 0.005


def _exact_binned_information(rho: float, bins: int = 8) -> float:
    """Information of a bivariate Gaussian cut at the quantiles of its marginals, bits, by its distribution function."""
    edges = np.concatenate([[-9.0], norm.ppf(np.arange(1, bins) / bins), [9.0]])
    grid = [[a, b] for a in edges for b in edges]
    cumulative = multivariate_normal(cov=[[1, rho], [rho, 1]]).cdf(grid).reshape(bins + 1, bins + 1)
    cells = np.diff(np.diff(cumulative, axis=0), axis=1)
    return float((cells * np.log2(np.maximum(cells, 1e-300) * bins**2)).sum())


@pytest.mark.parametrize("rho", [0.0, 0.4, 0.8])
def test_gaussian_information_is_that_of_the_binned_distribution(rho: float) -> None:
    found = []
    for seed in range(20):
        property = _gaussian(2000, 1, seed=1000 + seed)
        responses = rho * property + math.sqrt(1 - rho**2) * _gaussian(2000, 50, seed=seed)
        found.append(float(unit_information(discretize(responses), discretize(property))[0].information_bits.mean()))

    assert np.mean(found) == pytest.approx(_exact_binned_information(rho), abs=0.01)


@pytest.mark.parametrize(("stimuli", "shuffles"), [(500, 100), (1000, 100), (500, 0), (1000, 0), (5000, 0)])
def test_false_positive_rate_is_nominal(stimuli: int, shuffles: int) -> None:
    responses, properties = discretize(_gaussian(stimuli, 3000)), discretize(_gaussian(stimuli, 6, seed=1))

    found = unit_information(responses, properties, shuffles=shuffles)

    rate = torch.stack([f.p_values for f in found]).lt(0.05).double().mean()
    assert 0.04 < float(rate) < 0.06


def test_blocks_and_memory_change_nothing() -> None:
    responses, properties = discretize(_gaussian(300, 70).relu()), discretize(_gaussian(300, 3, seed=1))

    whole, blocked = (
        unit_information(responses, properties, shuffles=30, memory_bytes=memory) for memory in (2**28, 2**17)
    )

    for a, b in zip(whole, blocked, strict=True):
        assert torch.equal(a.p_values, b.p_values)
        torch.testing.assert_close(a.information_bits, b.information_bits)


def test_shared_shuffles_equal_a_loop_over_them() -> None:
    responses, properties = discretize(_gaussian(200, 5).relu()), discretize(_gaussian(200, 2, seed=1))

    found = unit_information(responses, properties, shuffles=50, seed=4)

    generator = torch.Generator().manual_seed(4)
    orders = [torch.randperm(200, generator=generator) for _ in range(50)]
    for p, information in enumerate(found):
        for u in range(5):
            observed = mutual_info_score(responses[:, u], properties[:, p])
            null = [mutual_info_score(responses[:, u], properties[order, p]) for order in orders]
            expected = (1 + sum(value >= observed - 1e-9 for value in null)) / 51
            assert float(information.p_values[u]) == pytest.approx(expected)


def test_paired_shuffles_keep_each_units_own_property() -> None:
    responses, properties = discretize(_gaussian(200, 4)), discretize(_gaussian(200, 4, seed=1))

    paired = unit_information(responses, properties, paired=True, shuffles=40)[0]

    crossed = unit_information(responses, properties, shuffles=40)
    expected = torch.stack([crossed[u].p_values[u] for u in range(4)])
    torch.testing.assert_close(paired.p_values, expected)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10**6), st.integers(2, 8))
def test_merging_bins_never_adds_information(seed: int, merged: int) -> None:
    values = _gaussian(300, 4, seed=seed)
    responses, property = discretize(values), discretize(values[:, :1] + _gaussian(300, 1, seed=seed + 1))

    fine = unit_information(responses, property)[0].plugin_bits
    coarse = unit_information(responses * merged // 8, property)[0].plugin_bits

    assert (coarse <= fine + 1e-9).all()


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
