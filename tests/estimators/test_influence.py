from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import norm
from torch import Tensor

from pdtrain.estimators.cell_influence import influence_of_cells
from pdtrain.estimators.conditional_information import codes_within
from pdtrain.estimators.contingency import joint_counts, plugin_information
from pdtrain.estimators.discretization import discretize, property_codes
from pdtrain.estimators.half_samples import half_samples, standard_error
from pdtrain.estimators.influence import half_differences_of_information, influence_on_sums, stretches_of
from pdtrain.estimators.information import information_about
from pdtrain.estimators.invariance import object_information

_STIMULI = 500


def _influence(responses: Tensor, properties: Tensor, labels: Tensor | None = None) -> Tensor:
    """Of each stimulus on each unit, shape (stimuli, units)."""
    units = responses.shape[1]
    paired = properties.shape[1] == units > 1
    each = torch.eye(units)[:, None]
    return influence_on_sums(responses, properties, each, labels, paired=paired)[0, 0, :, 0]


def _units(values: Tensor, units: int, signal: float, generator: torch.Generator, active: float = 1.0) -> Tensor:
    """Units that share a noise, as those of a layer do, and tell about values."""
    shared = torch.randn(len(values), 1, generator=generator)
    noise = torch.randn(len(values), units, generator=generator)
    responses = signal * values[:, None] + 0.5 * shared + noise
    if active == 1:
        return responses
    # a threshold of the population: how many stimuli pass it depends on the stimuli
    deviation = (signal**2 / 12 + 0.25 + 1) ** 0.5
    return (responses - signal / 2 - deviation * float(norm.ppf(1 - active))).relu()


@pytest.mark.parametrize("active", [1.0, 0.3, 0.05])
@pytest.mark.parametrize("signal", [0.0, 0.3, 1.0])
def test_the_standard_error_of_a_mean_over_units_is_its_deviation_over_sets_of_stimuli(
    signal: float, active: float
) -> None:
    generator = torch.Generator().manual_seed(0)
    halves = half_samples(torch.zeros(_STIMULI, dtype=torch.long))
    means, errors = [], []
    for _ in range(150):
        values = torch.rand(_STIMULI, generator=generator)
        units = _units(values, 20, signal, generator, active)
        found = information_about(units, values)
        codes = discretize(units), property_codes(values[:, None].double())
        halved = half_differences_of_information(
            *codes, torch.full((20, 1, 1), 1 / 20), halves,
            stretched=stretches_of(*codes, None, units, values[:, None]),
        )  # fmt: skip
        means.append(float(found.information_bits.mean()))
        errors.append(float(standard_error(halved[0])))

    assert np.sqrt(np.mean(np.square(errors))) / np.std(means) == pytest.approx(1.05, abs=0.25)


def test_a_stimulus_moves_the_plug_in_as_its_influence_says_where_margins_stay() -> None:
    generator = torch.Generator().manual_seed(0)
    responses = torch.randint(3, (4000, 1), generator=generator)
    properties = torch.where(
        torch.rand(4000, 1, generator=generator) < 0.5, responses, torch.randint(3, (4000, 1), generator=generator)
    )
    influence = _influence(responses, properties)[:, 0]
    one, other = 0, next(i for i in range(4000) if responses[i] != responses[0] and properties[i] != properties[0])
    swapped = properties.clone()
    swapped[[one, other]] = properties[[other, one]]  # margins stay as they are

    before, after = (plugin_information(joint_counts(responses, p))[0, 0] for p in (properties, swapped))

    cells = {
        tuple(cell): float(value) for *cell, value in torch.cat([responses, properties, influence[:, None]], 1).tolist()
    }
    moved = sum(cells.get((float(responses[i]), float(swapped[i])), 0.0) - float(influence[i]) for i in (one, other))
    assert float(after - before) == pytest.approx(moved / 4000, rel=0.05, abs=2e-5)


def test_a_unit_that_equals_a_property_cut_at_ranks_is_certain_of_it() -> None:
    values = torch.rand(400, 1, generator=torch.Generator().manual_seed(0))
    codes, each = discretize(values), torch.ones(1, 1, 1)

    (certain,) = influence_on_sums(codes, codes, each, stretched=stretches_of(codes, codes, None, values, values))

    assert certain.abs().max() < 1e-5


def test_how_many_stimuli_have_a_shared_value_depends_on_them() -> None:
    codes = (torch.rand(1000, 1, generator=torch.Generator().manual_seed(0)) < 0.1).long()
    share = float(codes.float().mean())

    (influence,) = influence_on_sums(codes, codes, torch.ones(1, 1, 1))

    # of H(p) = -p log p - (1 - p) log(1 - p) the standard error is |log((1 - p) / p)| sqrt(p (1 - p) / N)
    known = abs(np.log2((1 - share) / share)) * (share * (1 - share)) ** 0.5
    assert float(influence.double().square().mean().sqrt()) == pytest.approx(known, rel=1e-5)


@pytest.mark.parametrize("defined", [1.0, 0.1])
def test_paired_and_shared_properties_have_the_same_influence_at_fixed_class(defined: float) -> None:
    generator = torch.Generator().manual_seed(0)
    labels, responses = torch.arange(600) % 2, torch.randint(4, (600, 3), generator=generator)
    properties = torch.randint(3, (600, 1), generator=generator)
    properties[(labels == 1) & (torch.rand(600, generator=generator) > defined)] = -1
    weights = torch.rand(3, 1, 2, generator=generator)

    shared = influence_on_sums(responses, properties, weights, labels)
    paired = influence_on_sums(responses, properties.expand(-1, 3).contiguous(), weights, labels, paired=True)

    torch.testing.assert_close(paired, shared)


def test_undefined_stimuli_have_no_influence_and_silent_units_none_at_all() -> None:
    codes = torch.arange(400)[:, None] % 4
    properties = (codes // 2).masked_fill(torch.arange(400)[:, None] < 100, -1)

    influence = _influence(torch.cat([codes, torch.zeros_like(codes)], 1), properties)

    assert (influence[:100] == 0).all() and (influence[:, 1] == 0).all()


def test_at_fixed_class_it_is_the_influence_within_each_class() -> None:
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(300) % 3
    responses, properties = (
        torch.randint(4, (300, 2), generator=generator),
        torch.randint(3, (300, 1), generator=generator),
    )

    whole = _influence(responses, properties, labels)

    for label in range(3):
        member = labels == label
        torch.testing.assert_close(whole[member], _influence(responses[member], properties[member]))


def test_the_standard_error_of_object_information_is_its_deviation_over_sets_of_views() -> None:
    generator = torch.Generator().manual_seed(0)
    objects = torch.arange(_STIMULI) % 5
    halves = half_samples(objects)
    of_objects = torch.randn(5, 20, generator=torch.Generator().manual_seed(1))
    means: dict[str, list[float]] = {}
    errors: dict[str, list[float]] = {}
    for _ in range(100):
        views = torch.randn(_STIMULI, 1, generator=generator)
        units = of_objects[objects] + views + torch.randn(_STIMULI, 20, generator=generator)
        found = object_information(units, objects, halves=halves)
        for name, values in (("view_invariant", found.view_invariant_bits), ("ratio", found.ratio)):
            assert found.half_differences is not None
            halved = found.half_differences[:, ("total", "view_invariant", "ratio").index(name), 0]
            means.setdefault(name, []).append(float(values.mean()))
            errors.setdefault(name, []).append(float(standard_error(halved)))

    for name in means:
        ratio = np.sqrt(np.mean(np.square(errors[name]))) / np.std(means[name])
        assert ratio == pytest.approx(1.05, abs=0.25), name


def test_the_standard_error_at_fixed_class_is_its_deviation_over_sets_of_stimuli() -> None:
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(_STIMULI) % 5
    halves = half_samples(labels)
    means, errors = [], []
    for _ in range(100):
        values = labels + torch.rand(_STIMULI, generator=generator)  # goes with the class
        units = _units(values, 20, 0.5, generator)
        found = information_about(units, values, given=labels)
        codes = codes_within(units, labels), codes_within(values[:, None].double(), labels)
        halved = half_differences_of_information(
            *codes, torch.full((20, 1, 1), 1 / 20), halves, labels,
            stretched=stretches_of(*codes, labels, units, values[:, None]),
        )  # fmt: skip
        means.append(float(found.information_bits.mean()))
        errors.append(float(standard_error(halved[0])))

    assert np.sqrt(np.mean(np.square(errors))) / np.std(means) == pytest.approx(1.05, abs=0.25)


@pytest.mark.parametrize("paired", [False, True])
def test_units_in_blocks_have_the_influence_of_all_at_once(paired: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    responses, labels = torch.randint(4, (300, 9), generator=generator), torch.arange(300) % 3
    properties = torch.randint(3, (300, 9 if paired else 2), generator=generator)
    weights = torch.rand(9, 1 if paired else 2, 3, generator=generator)

    whole, parts = (
        influence_on_sums(responses, properties, weights, labels, paired=paired, memory_bytes=memory_bytes)
        for memory_bytes in (2**28, 1)
    )

    torch.testing.assert_close(parts, whole)


@pytest.mark.parametrize("memory_bytes", [2**28, 1])
@pytest.mark.parametrize("paired", [False, True])
def test_groups_of_units_have_the_influence_that_each_has_by_itself(paired: bool, memory_bytes: int) -> None:
    generator = torch.Generator().manual_seed(0)
    responses, labels = torch.randint(4, (300, 9), generator=generator), torch.arange(300) % 3
    properties = torch.randint(3, (300, 9 if paired else 2), generator=generator)
    weights, halves = torch.rand(9, 1 if paired else 2, 3, generator=generator), half_samples(labels)

    together = half_differences_of_information(
        responses, properties, weights, halves, labels, paired=paired, groups=[2, 4, 3], memory_bytes=memory_bytes
    )

    for found, of_group in zip(together, (slice(0, 2), slice(2, 6), slice(6, 9)), strict=True):
        met = properties[:, of_group] if paired else properties
        alone = half_differences_of_information(
            responses[:, of_group], met, weights[of_group], halves, labels, paired=paired
        )
        torch.testing.assert_close(found, alone[0])


@pytest.mark.parametrize("groups", [[2, 3], [2, 4, 4], [10, -1], []])
def test_groups_that_are_not_all_units_are_refused(groups: list[int]) -> None:
    codes, halves = torch.arange(90)[:, None] % torch.arange(2, 11), half_samples(torch.zeros(90, dtype=torch.long))

    with pytest.raises(ValueError, match="and there are 9; give each one group"):
        half_differences_of_information(codes, codes, torch.ones(9, 1, 1), halves, paired=True, groups=groups)


def test_classes_are_any_numbers() -> None:
    generator = torch.Generator().manual_seed(0)
    labels, values = torch.arange(300) % 3, torch.rand(300, 4, generator=generator)
    halves, weights = half_samples(labels), torch.rand(4, 1, 1, generator=generator)

    def halved(labels: Tensor) -> Tensor:
        codes = codes_within(values, labels)
        stretched = stretches_of(codes, codes[:, :1], labels, values, values[:, :1])
        return half_differences_of_information(codes, codes[:, :1], weights, halves, labels, stretched=stretched)

    torch.testing.assert_close(halved(5 * labels - 7), halved(labels))


@pytest.mark.parametrize("classes", [1, 3])
def test_an_interval_does_not_depend_on_what_else_is_measured(classes: int) -> None:
    labels, values = torch.arange(600) % classes, torch.rand(600, 2, generator=torch.Generator().manual_seed(0))
    unit = (values.sum(1, keepdim=True) - 1).relu()
    codes, luminance, halves = codes_within(unit, labels, bins=8), values[:, :1], half_samples(labels)
    of_luminance, scene = codes_within(luminance, labels, bins=8), torch.arange(600)[:, None] % 150

    def error(properties: Tensor, cut_from: Tensor) -> Tensor:
        stretched, weights = stretches_of(codes, properties, labels, unit, cut_from), torch.ones(1, len(cut_from.T), 1)
        found = half_differences_of_information(codes, properties, weights, halves, labels, stretched=stretched)
        return standard_error(found[0])[0]

    beside = error(torch.cat([of_luminance, scene], 1), torch.cat([luminance, scene], 1))

    torch.testing.assert_close(beside, error(of_luminance, luminance), rtol=1e-5, atol=0)


def test_objects_are_measured_in_blocks_of_units_too() -> None:
    generator = torch.Generator().manual_seed(0)
    objects = torch.arange(200) % 4
    responses, halves = torch.randn(200, 7, generator=generator), half_samples(objects)

    whole, parts = (
        object_information(responses, objects, halves=halves, memory_bytes=memory_bytes).half_differences
        for memory_bytes in (2**27, 1)
    )

    torch.testing.assert_close(parts, whole)


def test_many_objects_take_no_table_of_stimuli_by_objects() -> None:
    objects, most = torch.arange(6000) % 500, 2**22

    class Bound(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            result = func(*args, **(kwargs or {}))
            assert not isinstance(result, Tensor) or result.untyped_storage().nbytes() <= most, func
            return result

    responses, halves = torch.randn(6000, 2, generator=torch.Generator().manual_seed(0)), half_samples(objects)
    with Bound():
        found = object_information(responses, objects, halves=halves, most_pairs=30, memory_bytes=most)

    assert found.half_differences is not None and bool(found.half_differences.isfinite().all())


def test_a_way_that_edges_cannot_move_is_refused() -> None:
    table, apart = torch.tensor([[6.0, 0.0], [0.0, 2.0]]), torch.tensor([False])

    with pytest.raises(ValueError, match="moved=edges: choose from average, edge"):
        influence_of_cells(table, apart, apart, moved=["average", "edges"])
