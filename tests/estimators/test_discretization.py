import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from pdtrain.estimators.discretization import UNDEFINED, discretize, discretize_circular, property_codes, stretches


def _gaussian(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def _same_bins(one: Tensor, other: Tensor) -> bool:
    """Whether two codes of the same stimuli put the same ones together, whatever the numbers of the bins."""
    pairs = {(a, b) for a, b in zip(one.tolist(), other.tolist(), strict=True)}
    return len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs})


def test_values_without_ties_are_equally_populated() -> None:
    counts = torch.bincount(discretize(_gaussian(1000, 1))[:, 0].long())

    assert counts.tolist() == [125] * 8


def test_zeros_of_a_rectified_unit_keep_a_bin_of_their_own() -> None:
    values = _gaussian(1000, 1)

    codes = discretize(values.relu())

    assert ((codes == 0) == (values <= 0)).all()
    assert torch.bincount(codes[:, 0].long())[1:].min() > 100


def test_a_unit_that_fires_on_few_stimuli_is_on_or_off() -> None:
    counts = torch.bincount(discretize((_gaussian(1000, 1) - 2.3).relu())[:, 0].long())

    assert len(counts) == 2 and counts[1] < 20


@pytest.mark.parametrize(
    "respond",
    [lambda v: v.clamp_max(0.5), lambda v: v.relu().clamp_max(0.7), lambda v: torch.where(v > -1.3, 1.0, 0.5)],
    ids=["saturating", "rectified and saturating", "two values"],
)
def test_saturated_values_keep_a_bin_of_their_own(respond: object) -> None:
    values = respond(_gaussian(1000, 1))  # type: ignore[operator]

    codes = discretize(values)[:, 0]

    top = values[:, 0] == values.max()
    assert len(codes[top].unique()) == 1 and codes[top][0] not in codes[~top]
    assert torch.bincount(codes.long()).min() > 50


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10**6), st.integers(2, 100), st.sampled_from([0.0, 0.3]), st.integers(2, 9))
def test_single_precision_has_the_bins_of_double_whatever_the_signs(
    seed: int, stimuli: int, undefined: float, bins: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    values = _gaussian(stimuli, 6, seed=seed) * torch.tensor([1.0, 1e-42, 1e30, 1.0, 1.0, 1.0])
    values[:, 3], values[:, 4] = values[:, 3].relu() * -1.0, values[:, 4].round()  # zeros of either sign
    values[torch.rand(values.shape, generator=generator) < undefined] = -torch.nan

    assert torch.equal(discretize(values, bins), discretize(values.double(), bins))


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10**6), st.integers(17, 400), st.sampled_from(["relu", "sparse", "clamp", "round", "raw"]))
def test_negation_changes_no_bin(seed: int, stimuli: int, kind: str) -> None:
    values = _gaussian(stimuli, 1, seed=seed)
    values = {
        "relu": values.relu(),
        "sparse": (values - 1.5).relu(),
        "clamp": values.clamp(-0.5, 1),
        "round": (3 * values).round(),
        "raw": values,
    }[kind]

    assert _same_bins(discretize(values)[:, 0], discretize(-values)[:, 0])


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10**6), st.integers(17, 400), st.sampled_from(["relu", "sparse", "clamp", "raw"]))
def test_increasing_maps_change_no_bin_but_that_of_one_middle_value(seed: int, stimuli: int, kind: str) -> None:
    values = _gaussian(stimuli, 1, seed=seed).double()
    values = {"relu": values.relu(), "sparse": (values - 1.5).relu(), "clamp": values.clamp(-0.5, 1), "raw": values}[
        kind
    ]

    before, after = (discretize(v)[:, 0] for v in (values, values.exp() * 3 + 1))

    if kind in ("relu", "sparse") or stimuli % 2 == 0:
        assert _same_bins(before, after) or kind == "clamp"
    assert (before != after).sum() <= 1


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10**6))
def test_the_order_of_stimuli_changes_no_bin(seed: int) -> None:
    values = (_gaussian(200, 3, seed=seed) * 2).round()
    order = torch.randperm(200, generator=torch.Generator().manual_seed(seed))

    assert torch.equal(discretize(values)[order], discretize(values[order]))


def test_columns_do_not_depend_on_each_other_or_on_their_number() -> None:
    values = _gaussian(1000, 2500).relu()

    together = discretize(values)

    assert torch.equal(together[:, 1234:1235], discretize(values[:, 1234:1235]))


def test_equal_values_share_a_bin_also_in_half_precision() -> None:
    values = _gaussian(2000, 4).half()

    codes = discretize(values)

    for column, code in zip(values.T, codes.T, strict=True):
        assert all(len(code[column == value].unique()) == 1 for value in column.unique())


@pytest.mark.parametrize("precision", [torch.float16, torch.bfloat16])
def test_large_values_in_half_precision_have_the_bins_of_the_same_ones_in_single(precision: torch.dtype) -> None:
    values = (30_000 + 25_000 * torch.rand(39, 50, generator=torch.Generator().manual_seed(0))).to(precision)

    assert torch.equal(discretize(values, 2), discretize(values.float(), 2))


def test_a_constant_column_is_one_bin_and_any_other_is_more() -> None:
    varies = torch.zeros(1000, 1)
    varies[17] = 1e-30

    assert discretize(torch.full((1000, 1), 3.0)).unique().tolist() == [0]
    assert len(discretize(varies).unique()) == 2


def test_undefined_values_are_left_out_and_the_others_cut_as_without_them() -> None:
    values = _gaussian(1000, 1)
    holes = values.clone()
    holes[::3] = torch.nan

    codes = discretize(holes)

    defined = ~holes[:, 0].isnan()
    assert (codes[~defined] == UNDEFINED).all()
    assert torch.equal(codes[defined], discretize(values[defined]))
    assert (property_codes(holes, kind="circular", period=1.0)[~defined] == UNDEFINED).all()
    assert (property_codes(holes.round(), kind="discrete")[~defined] == UNDEFINED).all()


def test_circular_bins_join_the_ends() -> None:
    codes = discretize_circular(torch.tensor([[0.01], [math.pi - 0.01], [math.pi / 2]]), math.pi)

    assert codes[:, 0].tolist() == [0, 0, 4]


def test_a_circular_property_without_a_period_is_refused() -> None:
    with pytest.raises(ValueError, match="period=None"):
        property_codes(torch.zeros(9, 1), kind="circular")


def test_bins_cut_at_ranks_share_a_stretch_and_shared_values_and_the_few_beside_them_do_not() -> None:
    generator = torch.Generator().manual_seed(0)
    few, zeros, low, top = (
        torch.full((5,), -1.0),
        torch.zeros(300),
        torch.rand(300, generator=generator),
        torch.ones(200),
    )
    values = torch.cat([few - torch.rand(5, generator=generator), zeros, low, top])[:, None]
    codes = discretize(values, 8)

    found = stretches(values, codes, int(codes.max()) + 1)[0, 0]

    stretch = {name: set(found[codes[place, 0].long()].tolist()) for name, place in (
        ("few", slice(0, 5)), ("zeros", slice(5, 305)), ("low", slice(305, 605)), ("top", slice(605, 805))
    )}  # fmt: skip
    assert all(len(numbers) == 1 for numbers in stretch.values())
    assert len(set.union(*stretch.values())) == 4
    assert len(codes[305:605].unique()) == 3, "300 of 805 in eight bins"
