import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import mutual_info_score
from torch import Tensor

from pdtrain.estimators.conditional_information import conditional_information
from pdtrain.estimators.contingency import joint_counts, paired_counts, response_entropy
from pdtrain.estimators.corrections import CORRECTIONS
from pdtrain.estimators.discretization import discretize
from pdtrain.estimators.information import information_about, unit_information
from pdtrain.estimators.invariance import object_information
from pdtrain.estimators.significance import benjamini_hochberg


def _gaussian(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_plugin_information_equals_scikit_learn() -> None:
    values = _gaussian(500, 7)
    responses, properties = discretize(values.relu()), discretize(values[:, :3] + _gaussian(500, 3, seed=1))

    found = unit_information(responses, properties, correction="none")

    for p, information in enumerate(found):
        expected = [mutual_info_score(responses[:, u], properties[:, p]) / math.log(2) for u in range(7)]
        np.testing.assert_allclose(information.plugin_bits.numpy(), expected, atol=1e-6)


@pytest.mark.parametrize("paired", [False, True])
def test_histograms_count_each_stimulus_that_has_both_codes_once(paired: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    responses, properties = (torch.randint(-1, 4, (200, 3), generator=generator) for _ in range(2))

    counts = (paired_counts if paired else joint_counts)(responses, properties)

    for unit in range(3):
        for place, column in enumerate([unit] if paired else range(3)):
            for row, value in np.ndindex(4, 4):
                met = (responses[:, unit] == row) & (properties[:, column] == value)
                assert counts[unit, place, row, value] == met.sum()


def test_paired_information_is_that_of_each_unit_with_its_own_property() -> None:
    responses, properties = discretize(_gaussian(400, 5)), discretize(_gaussian(400, 5, seed=1))

    paired = unit_information(responses, properties, paired=True)[0]

    crossed = unit_information(responses, properties)
    expected = torch.stack([crossed[u].information_bits[u] for u in range(5)])
    torch.testing.assert_close(paired.information_bits, expected)


def test_a_unit_that_fires_on_ten_of_the_brightest_stimuli_is_found() -> None:
    luminance = torch.linspace(0, 1, 1000)
    responses = torch.zeros(1000, 1)
    responses[torch.arange(880, 1000, 12)[:10]] = torch.linspace(0.1, 1, 10)[:, None]

    found = information_about(responses, luminance)

    # on or off: 0.029 bit; a permutation test finds p < 0.001
    assert float(found.information_bits) == pytest.approx(0.029, abs=0.003)
    assert float(found.p_values) < 1e-4 and bool(found.informative)


def test_a_unit_and_its_negative_tell_as_much() -> None:
    property = _gaussian(1000)
    rare = torch.where(property > 1.28, 0.5, 1.0)[:, None]
    saturating = (property[:, None] + 0.3 * _gaussian(1000, 3, seed=1)).clamp(0, 0.8)
    responses = torch.cat([rare, saturating], 1)

    found, turned = (information_about(r, property) for r in (responses, -responses))

    torch.testing.assert_close(found.information_bits, turned.information_bits)
    assert float(found.information_bits[0]) > 0.3 and not found.silent.any()


def test_units_that_equal_the_property_are_found_with_a_hundred_shuffles() -> None:
    property = _gaussian(1000)
    responses = torch.cat([property[:, None].expand(-1, 150), _gaussian(1000, 874, seed=1)], 1)

    found = information_about(responses, property, shuffles=100)

    assert found.informative[:150].all() and int(found.informative[150:].sum()) < 20


def test_shuffled_ties_count_as_ties() -> None:
    # every order of the stimuli gives the same table but for where the one response falls: always p = 1
    responses = discretize(torch.cat([torch.ones(1, 1), torch.zeros(799, 1)]))
    property = discretize(torch.linspace(0, 1, 800)[:, None])

    for shuffles in (0, 200):
        found = unit_information(responses.expand(-1, 40), property, shuffles=shuffles)[0]
        assert float(found.p_values.min()) == pytest.approx(1.0, abs=1e-9)


def test_class_information_of_a_unit_silent_within_all_classes_but_one_is_its_entropy() -> None:
    classes = torch.arange(1000) % 10
    responses = torch.where(classes == 3, 1.0 + torch.rand(1000, generator=torch.Generator().manual_seed(0)), 0.0)

    found = information_about(responses[:, None], classes, kind="discrete")

    assert float(found.information_bits) == pytest.approx(0.469, abs=0.001)
    assert float(found.information_bits) <= float(found.entropy_bits)


def test_a_property_that_does_not_vary_or_has_too_few_stimuli_gives_nan_with_a_reason() -> None:
    responses = _gaussian(200, 3)

    constant = information_about(responses, torch.ones(200))
    few = information_about(responses, torch.arange(200) % 50, kind="discrete")
    undefined = information_about(responses, torch.full((200,), torch.nan))

    for found in (constant, few, undefined):
        assert found.information_bits.isnan().all() and found.p_values.isnan().all() and not found.informative.any()
        assert found.note
    assert "4.0 stimuli per value" in few.note and "does not vary" in constant.note
    assert "not defined for any stimulus" in undefined.note


def test_a_class_of_one_stimulus_is_no_obstacle() -> None:
    classes = torch.cat([torch.arange(300) % 5, torch.tensor([9])])

    found = information_about(_gaussian(301, 200), classes, kind="discrete")

    assert abs(float(found.information_bits.mean())) < 0.005


@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
def test_responses_that_are_not_finite_are_refused_by_name(bad: float) -> None:
    responses = _gaussian(200, 3)
    responses[7, 2] = bad

    with pytest.raises(ValueError, match="stimulus 7, unit 2"):
        information_about(responses, _gaussian(200, seed=1))


@pytest.mark.parametrize(
    ("stimuli", "classes", "each"), [(1000, 99, 3), (3000, 99, 1), (3000, 99, 3), (1000, 32, 3), (300, 9, 3)]
)
def test_rare_classes_beside_a_large_one_invent_no_information(stimuli: int, classes: int, each: int) -> None:
    large = torch.zeros(stimuli - classes * each, dtype=torch.long)
    values = torch.cat([large, torch.arange(1, classes + 1).repeat_interleave(each)])
    graded = _gaussian(stimuli, 300)
    rare = (graded - 1.6).relu()

    for responses in (graded, rare):
        found = information_about(responses, values, kind="discrete")
        assert abs(float(found.information_bits.mean())) < 0.006
        assert f"{classes} values have fewer than 10 stimuli" in found.note


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"bins": 1}, "bins=1"),
        ({"shuffles": -1}, "shuffles=-1"),
        ({"kind": "circular", "period": math.inf}, "period=inf"),
    ],
)
def test_options_out_of_range_are_refused(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        information_about(_gaussian(200, 3), _gaussian(200), **options)
    with pytest.raises(ValueError, match="at least one response"):
        information_about(_gaussian(200, 0), _gaussian(200))


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="one value per stimulus"):
        information_about(_gaussian(200, 3), _gaussian(199))
    with pytest.raises(ValueError, match="choose from permutation"):
        information_about(_gaussian(200, 3), _gaussian(200), correction="shuffle")


def test_a_circular_property_is_cut_on_the_circle() -> None:
    degrees = torch.rand(1000, generator=torch.Generator().manual_seed(0)) * 360
    near_north = (degrees.deg2rad().cos() - 0.9).relu()[:, None]

    circular = information_about(near_north, degrees, kind="circular", period=360.0)
    wrong = information_about(near_north, degrees, kind="circular", period=math.pi)

    assert float(circular.information_bits) > 0.5 and float(wrong.information_bits) < 0.1


def test_stimuli_without_the_property_are_left_out() -> None:
    property, responses = _gaussian(1000), _gaussian(1000, 4, seed=1).relu()
    responses[:, 0] += 2 * property
    holes = property.clone()
    holes[:300] = torch.nan

    found = information_about(responses, holes)
    paired = information_about(responses, holes[:, None].expand(-1, 4).clone())

    expected = unit_information(discretize(responses)[300:], discretize(property[300:, None]))[0]
    torch.testing.assert_close(found.information_bits, expected.information_bits)
    torch.testing.assert_close(paired.information_bits, expected.information_bits)


def test_silent_units_carry_nothing_and_are_marked() -> None:
    responses = torch.cat([torch.full((200, 1), 3.0), _gaussian(200, 1)], 1)

    found = information_about(responses, _gaussian(200, seed=1))

    assert found.silent.tolist() == [True, False]
    assert float(found.information_bits[0]) == 0 and float(found.p_values[0]) == 1


def test_responses_balanced_by_design_are_not_far_below_zero() -> None:
    classes = torch.arange(2000) % 100
    balanced = (torch.arange(2000) // 100 % 2).float()[:, None]  # as often in every class

    found = information_about(balanced, classes, kind="discrete")

    assert -0.025 < float(found.information_bits) <= 0


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10**6), st.sampled_from(["discrete", "continuous"]), st.sampled_from(CORRECTIONS))
def test_no_value_is_above_either_entropy(seed: int, kind: str, correction: str) -> None:
    property = (_gaussian(300, seed=seed) * 2).round().clamp(-3, 3)
    responses = torch.cat([property[:, None], _gaussian(300, 3, seed=seed + 1).relu(), property[:, None].abs()], 1)

    found = information_about(responses, property, kind=kind, correction=correction)  # type: ignore[arg-type]

    codes = discretize(responses)
    entropy = response_entropy(joint_counts(codes, codes[:, :1]))[:, 0]
    known = ~found.information_bits.isnan()
    assert (found.plugin_bits <= entropy + 1e-9).all() and (found.plugin_bits <= found.entropy_bits + 1e-9).all()
    assert (found.information_bits[known] <= found.plugin_bits[known] + 0.05).all()


def test_blocks_and_memory_change_nothing() -> None:
    responses, properties = discretize(_gaussian(300, 70).relu()), discretize(_gaussian(300, 3, seed=1))

    whole, blocked = (
        unit_information(responses, properties, shuffles=30, memory_bytes=memory) for memory in (2**28, 2**17)
    )

    for a, b in zip(whole, blocked, strict=True):
        torch.testing.assert_close(a.p_values, b.p_values)
        torch.testing.assert_close(a.information_bits, b.information_bits)


@pytest.mark.parametrize("paired", [False, True])
def test_p_values_of_shuffles_equal_a_loop_over_them(paired: bool) -> None:
    responses, properties = discretize(_gaussian(200, 5).relu()), discretize(_gaussian(200, 5, seed=1))

    found = unit_information(responses, properties, paired=paired, shuffles=50, seed=4)

    generator = torch.Generator().manual_seed(4)
    orders = [torch.randperm(200, generator=generator) for _ in range(50)]
    for u in range(5):
        observed = mutual_info_score(responses[:, u], properties[:, u])
        null = [mutual_info_score(responses[:, u], properties[order, u]) for order in orders]
        exceeded = sum(value >= observed - 1e-9 for value in null)
        if exceeded >= 10:
            p_value = found[0].p_values[u] if paired else found[u].p_values[u]
            assert float(p_value) == pytest.approx((1 + exceeded) / 51)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10**6), st.integers(2, 8))
def test_merging_bins_never_adds_information(seed: int, merged: int) -> None:
    values = _gaussian(300, 4, seed=seed)
    responses, property = discretize(values), discretize(values[:, :1] + _gaussian(300, 1, seed=seed + 1))

    fine = unit_information(responses, property)[0].plugin_bits
    coarse = unit_information(responses * merged // 8, property)[0].plugin_bits

    assert (coarse <= fine + 1e-9).all()


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10**6), st.sampled_from([lambda v: -v, lambda v: v.double().exp() * 3 + 1]))
def test_information_is_invariant_under_monotone_maps_and_negation(seed: int, change: object) -> None:
    values, property = _gaussian(200, 3, seed=seed), _gaussian(200, seed=seed + 1)
    values[:, 1:] = values[:, 1:].relu()

    before, after = (information_about(v, property) for v in (values, change(values)))  # type: ignore[operator]

    torch.testing.assert_close(before.information_bits, after.information_bits)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10**6))
def test_the_order_of_stimuli_does_not_matter(seed: int) -> None:
    values, property = _gaussian(200, 3, seed=seed).relu(), _gaussian(200, seed=seed + 1)
    order = torch.randperm(200, generator=torch.Generator().manual_seed(seed))

    before, after = information_about(values, property), information_about(values[order], property[order])

    torch.testing.assert_close(before.information_bits, after.information_bits)
    torch.testing.assert_close(before.p_values, after.p_values)


def test_benjamini_hochberg_keeps_the_step_up_rule_and_passes_over_what_is_no_test() -> None:
    significant = benjamini_hochberg(torch.tensor([0.03, 0.001, torch.nan, 0.9, 0.035]), 0.05)

    assert significant.tolist() == [True, True, False, False, True]


def test_no_units_no_properties_and_no_stimuli_are_named() -> None:
    codes, labels = torch.arange(400)[:, None] % 4, torch.arange(400) // 40
    for of in (codes[:, :0], codes[:0]):
        with pytest.raises(ValueError, match="at least one stimulus and one column"):
            unit_information(of, codes[: len(of)])
        with pytest.raises(ValueError, match="at least one stimulus and one column"):
            conditional_information(codes[: len(of)], of, labels[: len(of)])
    with pytest.raises(ValueError, match="at least one stimulus and one column"):
        object_information(codes[:, :0].float(), labels)
