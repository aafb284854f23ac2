"""Information at fixed class; the decisive part of its truth grid (docs/conditional_information.md)."""

import math
import tracemalloc

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2
from sklearn.metrics import mutual_info_score
from torch import Tensor

from conditional_truth_grid import informative_units, units_that_carry_nothing
from pdtrain.estimators.conditional_chance import conditional_p_values
from pdtrain.estimators.conditional_information import (
    class_tables,
    codes_within,
    conditional_information,
)
from pdtrain.estimators.conditional_tables import information_of_tables
from pdtrain.estimators.contingency import response_entropy
from pdtrain.estimators.corrections import CORRECTIONS
from pdtrain.estimators.information import UnitInformation, information_about
from table_conditional_information import Place, errors, false_positives


def _gaussian(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def _close(one: UnitInformation, other: UnitInformation) -> None:
    for name in ("information_bits", "plugin_bits", "entropy_bits", "p_values"):
        torch.testing.assert_close(getattr(one, name), getattr(other, name), equal_nan=True, msg=name)


def _example(seed: int, stimuli: int = 400, classes: int = 3) -> tuple[Tensor, Tensor, Tensor]:
    """Graded, rectified and rarely firing responses, a property that goes with class, and unequal classes."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(classes, (stimuli,), generator=generator)
    labels[: stimuli // 4] = 0
    property = _gaussian(stimuli, seed=seed + 1) + 2 * labels
    responses = _gaussian(stimuli, 3, seed=seed + 2) + labels[:, None]
    responses[:, 0] += property
    responses[:, 1] = responses[:, 1].relu()
    responses[:, 2] = (responses[:, 2] - 3).relu()
    return responses, property, labels


def test_it_is_the_mean_over_classes_of_what_scikit_learn_finds_in_each() -> None:
    responses, property, labels = _example(0)

    found = information_about(responses, property, given=labels)

    codes, binned = codes_within(responses, labels), codes_within(property[:, None], labels)[:, 0]
    for u in range(3):
        parts = [
            float((labels == c).double().mean()) * mutual_info_score(codes[labels == c, u], binned[labels == c])
            for c in range(3)
        ]
        assert float(found.plugin_bits[u]) == pytest.approx(sum(parts) / np.log(2), abs=1e-6)
    assert float(found.entropy_bits[0]) == pytest.approx(2.0, abs=0.01)


def test_a_unit_that_tells_the_class_tells_a_property_that_goes_with_it_but_nothing_at_fixed_class() -> None:
    labels = torch.arange(1000) % 10
    luminance = labels + 0.3 * _gaussian(1000)
    of_class, of_both = labels[:, None].double(), luminance[:, None].double()
    noisy = labels[:, None] + 0.5 * _gaussian(1000, 1, seed=1).double()
    units = torch.cat([of_class, of_both, noisy], 1)

    plain, fixed = information_about(units, luminance), information_about(units, luminance, given=labels)

    assert (plain.information_bits > 1).all()
    assert float(fixed.information_bits[0]) == 0 and float(fixed.p_values[0]) == 1 and not fixed.silent.any()
    assert float(fixed.information_bits[1]) == pytest.approx(2.0, abs=0.01)
    assert abs(float(fixed.information_bits[2])) < 0.03
    assert fixed.informative.tolist() == [False, True, False]


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 10**6), st.sampled_from(["permutation", "panzeri_treves"]))
def test_a_single_class_gives_the_plain_estimate(seed: int, correction: str) -> None:
    responses, property, _ = _example(seed, stimuli=300)
    one = torch.full((300,), 7)

    plain = information_about(responses, property, bins=4, correction=correction)
    fixed = information_about(responses, property, given=one, correction=correction)

    _close(plain, fixed)


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 10**6), st.sampled_from([lambda v: -v, lambda v: v * 3 + 1]))
def test_maps_that_are_monotone_within_classes_change_nothing(seed: int, change: object) -> None:
    responses, property, labels = _example(seed)
    sign = 1 - 2 * (labels == 1).double()  # turned round in one class, moved in another

    moved = change(responses.double() * sign[:, None]) + 100.0 * (labels == 2)[:, None]  # type: ignore[operator]

    _close(information_about(responses, property, given=labels), information_about(moved, property, given=labels))


@settings(deadline=None, max_examples=10)
@given(st.integers(0, 10**6))
def test_curved_maps_change_nothing_either(seed: int) -> None:
    labels, property = torch.arange(400) % 4, _gaussian(400, seed=seed)
    responses = _gaussian(400, 2, seed=seed + 1).double() + property[:, None]  # 100 in each class: none is on a cut

    _close(*(information_about(r, property, given=labels) for r in (responses, responses.exp())))


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 10**6), st.permutations([-4, 0, 31]))
def test_names_of_classes_and_the_order_of_stimuli_do_not_matter(seed: int, names: list[int]) -> None:
    responses, property, labels = _example(seed)
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))

    before = information_about(responses, property, given=labels)
    after = information_about(responses[order], property[order], given=torch.tensor(names)[labels][order])

    _close(before, after)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10**6), st.sampled_from(CORRECTIONS), st.sampled_from(["continuous", "discrete", "circular"]))
def test_no_value_is_above_either_entropy_or_far_below_zero(seed: int, correction: str, kind: str) -> None:
    responses, property, labels = _example(seed)
    property = property.round().clamp(-1, 3) if kind == "discrete" else property
    responses = torch.cat([responses, property[:, None]], 1)

    options = {"kind": kind, "period": 4.0 if kind == "circular" else None, "correction": correction}
    found = information_about(responses, property, given=labels, **options)  # type: ignore[arg-type]

    codes, binned = codes_within(responses, labels), codes_within(property[:, None], labels)
    shares = torch.stack([(labels == c).double().mean() for c in range(3)])
    entropy = (response_entropy(class_tables(codes, binned * 0, labels))[:, 0] * shares).sum(-1)
    for bits in (found.plugin_bits, found.information_bits.nan_to_num(0)):
        assert (bits <= entropy + 0.05).all() and (bits <= found.entropy_bits + 0.05).all()
    assert (found.plugin_bits <= torch.minimum(entropy, found.entropy_bits) + 1e-9).all()
    if correction == "permutation":
        assert (found.information_bits.nan_to_num(0) <= found.plugin_bits + 1e-12).all()
        tables = class_tables(codes, codes_within(property[:, None], labels, kind=kind, period=4.0), labels)  # type: ignore[arg-type]
        law = information_of_tables(tables).law
        floor = -4 * (law.deviation_bits[:, 0] * shares).square().sum(-1).sqrt()
        assert (found.information_bits.nan_to_num(0) >= floor - 1e-12).all()


def test_paired_properties_are_those_of_each_unit() -> None:
    responses, property, labels = _example(3)
    own = torch.stack([property, property.roll(1), _gaussian(400, seed=9)], 1)
    own[:50, 1] = torch.nan

    paired = information_about(responses, own, given=labels)

    for u in range(3):
        alone = information_about(responses[:, u : u + 1], own[:, u], given=labels)
        assert float(paired.information_bits[u]) == pytest.approx(float(alone.information_bits[0]), abs=1e-9)
        assert float(paired.p_values[u]) == pytest.approx(float(alone.p_values[0]), abs=1e-9)


def test_stimuli_without_the_property_are_left_out() -> None:
    responses, property, labels = _example(4)
    holes = property.clone()
    holes[200:260] = torch.nan

    found = information_about(responses, holes, given=labels)

    kept = ~holes.isnan()
    codes = codes_within(responses, labels)[kept], codes_within(property[kept, None], labels[kept]), labels[kept]
    _close(found, conditional_information(*codes)[0])


def test_too_few_stimuli_give_nan_and_say_how_many_it_needs() -> None:
    labels = torch.arange(500) % 10

    few = information_about(_gaussian(500, 3), _gaussian(500, seed=1), given=labels)
    constant = information_about(_gaussian(500, 3), labels.double(), given=labels)
    undefined = information_about(_gaussian(500, 3), torch.full((500,), torch.nan), given=labels)

    for found in (few, constant, undefined):
        assert found.information_bits.isnan().all() and found.p_values.isnan().all() and not found.informative.any()
    assert few.note == "12.5 stimuli per class and value, fewer than 20; needs 800"
    assert constant.note == "the property does not vary within any class"
    assert undefined.note == "the property is not defined for any stimulus"


def test_a_class_in_which_the_property_does_not_vary_adds_nothing() -> None:
    labels = torch.arange(600) // 300
    property = torch.where(labels == 0, _gaussian(600), 5.0)
    responses = _gaussian(600, 2, seed=1) + property[:, None] * torch.tensor([1.0, 0.0])

    both = information_about(responses, property, given=labels)
    one = information_about(responses[:300], property[:300], given=labels[:300])

    torch.testing.assert_close(both.information_bits, one.information_bits / 2)
    torch.testing.assert_close(both.entropy_bits, one.entropy_bits / 2)
    torch.testing.assert_close(both.p_values, one.p_values)


def test_classes_of_one_stimulus_and_unequal_ones_invent_nothing() -> None:
    labels = torch.cat([torch.zeros(500), torch.ones(200), torch.full((12,), 5), torch.tensor([9, -3])]).long()

    found = information_about(_gaussian(714, 300), _gaussian(714, seed=1), given=labels)

    assert abs(float(found.information_bits.mean())) < 0.005
    assert "1 classes have fewer than 10 stimuli per value" in found.note


def test_silence_is_of_raw_responses() -> None:
    labels = torch.arange(400) % 2
    responses = torch.stack([torch.full((400,), 3.0), labels.float()], 1)

    found = information_about(responses, _gaussian(400), given=labels)

    assert found.silent.tolist() == [True, False]
    assert found.information_bits.tolist() == [0, 0] and found.p_values.tolist() == [1, 1]


@pytest.mark.parametrize("labels", [torch.zeros(399).long(), torch.zeros(400, 1).long(), torch.zeros(0).long()])
def test_labels_that_do_not_fit_are_refused(labels: Tensor) -> None:
    with pytest.raises(ValueError, match="one whole number for each of 400 stimuli"):
        information_about(_gaussian(400, 2), _gaussian(400), given=labels)


def test_options_out_of_range_are_refused() -> None:
    labels = torch.zeros(400).long()

    with pytest.raises(ValueError, match="choose from permutation"):
        information_about(_gaussian(400, 2), _gaussian(400), given=labels, correction="shuffle")
    with pytest.raises(ValueError, match="bins=1"):
        information_about(_gaussian(400, 2), _gaussian(400), given=labels, bins=1)
    with pytest.raises(ValueError, match="period=None"):
        information_about(_gaussian(400, 2), _gaussian(400), given=labels, kind="circular")


def test_circular_properties_are_cut_in_arcs_and_discrete_ones_by_value() -> None:
    labels = torch.arange(800) % 2
    degrees = torch.rand(800, generator=torch.Generator().manual_seed(0)) * 360
    near_north = (degrees.deg2rad().cos() - 0.7).relu()[:, None]

    circular = information_about(near_north, degrees, kind="circular", period=360.0, given=labels)
    discrete = information_about(near_north, (near_north[:, 0] > 0).long(), kind="discrete", given=labels)

    assert float(circular.information_bits) > 0.7
    assert float(discrete.information_bits) == pytest.approx(float(discrete.entropy_bits), abs=0.01)


def test_counts_of_a_part_of_the_stimuli_can_be_taken_off() -> None:
    responses, property, labels = _example(5)
    codes, binned = codes_within(responses, labels), codes_within(property[:, None], labels)
    left_out = torch.arange(400) % 10 == 0

    part = class_tables(codes[left_out], binned[left_out], labels[left_out])
    rest = class_tables(codes[~left_out], binned[~left_out], labels[~left_out])
    whole = class_tables(codes, binned, labels)

    assert part.shape == whole.shape and (whole - part == rest).all()
    taken = information_of_tables(whole - part)
    torch.testing.assert_close(taken.corrected_bits, information_of_tables(rest).corrected_bits)


def test_blocks_and_memory_change_nothing() -> None:
    labels = torch.arange(400) % 4
    codes = codes_within(_gaussian(400, 70).relu(), labels), codes_within(_gaussian(400, 3, seed=1), labels)

    whole, blocked = (
        conditional_information(*codes, labels, shuffles=30, memory_bytes=memory) for memory in (2**28, 2**17)
    )

    for a, b in zip(whole, blocked, strict=True):
        _close(a, b)


@pytest.mark.parametrize("paired", [False, True])
def test_p_values_of_shuffles_equal_the_law_and_keep_classes(paired: bool) -> None:
    labels = torch.arange(300) % 3
    property = _gaussian(300, 40, seed=1) + labels[:, None]
    property[::7] = torch.nan
    responses = _gaussian(300, 40) + 2 * labels[:, None]
    responses[:, 20:] = (responses[:, 20:] - 4).relu()
    columns = property if paired else property[:, :1]
    codes = codes_within(responses, labels), codes_within(columns, labels)

    law, shuffled = (conditional_information(*codes, labels, paired=paired, shuffles=n)[0] for n in (0, 2000))

    # two standard errors of 2,000 shuffles, and what a smooth law misses of a coarse one
    often = law.p_values > 0.02
    assert (law.p_values - shuffled.p_values)[often].abs().max() < 0.06
    assert (law.p_values - shuffled.p_values)[often].abs().mean() < 0.02


def test_shuffles_of_a_column_do_not_depend_on_where_others_are_undefined() -> None:
    labels = torch.arange(300) % 3
    holes = _gaussian(300, 1, seed=1).masked_fill(torch.arange(300)[:, None] % 7 == 0, torch.nan)
    columns = codes_within(torch.cat([holes, _gaussian(300, 1, seed=2)], 1), labels)
    responses = codes_within(columns + 9 * _gaussian(300, 2), labels)

    together = conditional_information(responses, columns, labels, paired=True, shuffles=100)[0]

    for unit in (0, 1):
        alone = conditional_information(responses[:, [unit]], columns[:, [unit]], labels, shuffles=100)[0]
        assert 0.01 < float(together.p_values[unit]) == pytest.approx(float(alone.p_values[0]), rel=1e-12)


def test_two_values_of_many_stimuli_are_counted_out() -> None:
    table = torch.tensor([[15200.0, 14800.0], [14800.0, 15200.0]])  # of 60,000 stimuli in each of two classes
    tables = torch.stack([table, table])
    found = information_of_tables(tables)

    p_value = float(conditional_p_values(tables, found.class_plugin_bits, found.law))

    likelihood_ratio = 2 * 60_000 * float(found.class_plugin_bits.sum()) * math.log(2)
    assert p_value == pytest.approx(float(chi2.sf(likelihood_ratio, 2)), rel=0.05)


def test_laws_of_many_stimuli_are_not_kept_whole() -> None:
    half = torch.arange(10_000.0, 10_040.0)  # of the rarer row of 100,000 stimuli, in each of two classes
    tables = torch.stack([half, half, 50_000 - half, 50_000 - half], 1).view(-1, 1, 2, 2).repeat(1, 2, 1, 1)
    found = information_of_tables(tables)

    tracemalloc.start()
    conditional_p_values(tables, found.law.mean_bits * 4, found.law)
    kept = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()

    assert kept < 5e6  # laws of 20,000 counts would take 26 MB, and there may be thousands


def test_the_law_of_rarely_firing_units_is_counted_out() -> None:
    labels = torch.arange(80) // 40
    property = (torch.arange(80) % 4)[:, None]
    responses = torch.zeros(80, 1)
    responses[[0, 4, 40, 44]] = 1.0  # twice on the same value in either class

    tables = class_tables(responses.long(), property, labels)
    found = information_of_tables(tables)

    p_value = float(conditional_p_values(tables, found.class_plugin_bits, found.law))
    assert p_value == pytest.approx((9 / 39) ** 2, abs=1e-6)  # the second stimulus falls where the first did


@pytest.mark.parametrize(("stimuli", "classes"), [(300, 2), (1000, 10)])
def test_the_default_is_within_its_tolerance(stimuli: int, classes: int) -> None:
    for unit in [*units_that_carry_nothing(classes), *informative_units(classes)]:
        place = Place(stimuli, classes, unit)
        found = errors(place, 200)
        sampling = 3 * found["spread"] / 200**0.5  # of a mean over 200 units
        assert abs(found["permutation"]) < place.tolerance_bits + sampling, unit.name


def test_no_correction_is_beyond_it() -> None:
    unit = next(unit for unit in informative_units(10) if unit.name == "property, Gaussian, signal 0.3")

    found = errors(Place(1000, 10, unit), 50)

    assert found["none"] > 0.04


@pytest.mark.parametrize(
    ("stimuli", "classes", "name", "least"),
    [
        (1000, 10, "neither, 0.5% active", 0.0),
        (1000, 10, "neither, 3.0% active", 0.04),
        (1000, 10, "neither, 100.0% active", 0.04),
        (1000, 10, "class, rectified", 0.04),
        (1000, 2, "class, fires with 0.5 in every other, 0.02 in others", 0.04),
        (300, 2, "neither, 10.0% active", 0.04),
        (300, 2, "neither, 1.0% active", 0.0),
    ],
)
def test_units_that_tell_nothing_are_found_at_the_level_or_less(
    stimuli: int, classes: int, name: str, least: float
) -> None:
    unit = next(unit for unit in units_that_carry_nothing(classes) if unit.name == name)

    at_5, at_1 = false_positives(Place(stimuli, classes, unit), 2000)

    # 0.04 to 0.06 and 0.007 to 0.014, and three standard errors of 2,000 units
    assert least - 0.015 < at_5 < 0.06 + 0.015
    assert at_1 < 0.014 + 0.007


def test_draws_are_what_they_say() -> None:
    from conditional_truth_grid import stimuli_of

    for unit in [*units_that_carry_nothing(10), *informative_units(10)]:
        stimuli = stimuli_of(1000, 10, unit.property)
        assert unit.draw(stimuli, 7, torch.Generator().manual_seed(0)).shape == (1000, 7)
        truths = unit.truth_bits > 0
        assert truths == (unit.name.startswith(("property", "both")))


def test_truths_are_those_of_very_many_stimuli() -> None:
    for unit in informative_units(2):
        if "one class" in unit.name or unit.name.startswith("property, Gaussian, signal 1.0,"):
            continue
        found = errors(Place(100_000, 2, unit), 4)
        assert abs(found["permutation"]) < 0.004 + 0.01 * unit.truth_bits, unit.name
