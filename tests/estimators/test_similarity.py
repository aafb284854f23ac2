import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from jaxtyping import Float
from rsatoolbox.data import Dataset
from rsatoolbox.rdm import calc_rdm, compare
from torch import Tensor

from pdtrain.estimators.comparisons import COMPARISONS
from pdtrain.estimators.dissimilarity import DISTANCES, correlation, squared_euclidean
from pdtrain.estimators.half_samples import half_samples
from pdtrain.estimators.similarity import (
    Similarity,
    linear_cka,
    noise_ceiling,
    partial_similarity,
    rsa,
    similarities,
)
from pdtrain.limits import COMPARISONS_OF_RSA, LIMITS

_THEIRS = {
    "spearman": "spearman", "pearson": "corr", "cosine": "cosine", "rho_a": "rho-a", "kendall_tau_a": "tau-a",
    "whitened_cosine": "cosine_cov",
}  # fmt: skip


def _normal(stimuli: int, units: int, *, seed: int) -> Float[Tensor, "stimuli units"]:
    return torch.randn(stimuli, units, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def _cka(first: Tensor, second: Tensor) -> float:
    """The value alone, without an interval, which costs more."""
    return linear_cka(first, second, halves=torch.zeros(0, len(first), dtype=torch.bool)).value


def _rsa(first: Tensor, second: Tensor, **options: str) -> float:
    return rsa(first, second, halves=torch.zeros(0, len(first), dtype=torch.bool), **options).value


def _biased_cka(first: Tensor, second: Tensor) -> float:
    return _rsa(first, second, distance="squared_euclidean", comparison="whitened_cosine")


def _unbiased_by_definition(first: np.ndarray, second: np.ndarray) -> float:
    """Equation 5 of Song et al. (2012), with traces of Gram matrices without their diagonals."""

    def hsic(one: np.ndarray, other: np.ndarray) -> float:
        n, ones = len(one), np.ones(len(one))
        single = (ones @ one @ ones) * (ones @ other @ ones) / ((n - 1) * (n - 2))
        return (np.trace(one @ other) + single - 2 / (n - 2) * ones @ one @ other @ ones) / (n * (n - 3))

    grams = [values @ values.T for values in (first, second)]
    for gram in grams:
        np.fill_diagonal(gram, 0)
    one, other = grams
    return hsic(one, other) / np.sqrt(hsic(one, one) * hsic(other, other))


def test_names_of_the_configuration_are_those_that_there_are() -> None:
    assert {"cka", *COMPARISONS_OF_RSA} == COMPARISONS.keys()
    assert all(LIMITS["probes.similarity.distance"].holds(name) for name in DISTANCES)


def test_cka_is_that_of_the_definition() -> None:
    first, second = _normal(40, 30, seed=0) + 5, _normal(40, 7, seed=1)
    second[:, :3] += first[:, :3]

    expected = _unbiased_by_definition(first.numpy(), second.numpy())

    assert linear_cka(first, second).value == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("comparison", _THEIRS)
@pytest.mark.parametrize(("distance", "theirs"), [("correlation", "correlation"), ("squared_euclidean", "euclidean")])
def test_rsa_is_that_of_rsatoolbox(distance: str, theirs: str, comparison: str) -> None:
    first, second = _normal(30, 20, seed=0), _normal(30, 50, seed=1)
    second[:, :10] += 2 * first[:, :10]
    first[:5] = first[5:10]  # duplicates, and so ties

    rdms = [calc_rdm(Dataset(values.numpy()), method=theirs) for values in (first, second)]
    ours = _rsa(first, second, distance=distance, comparison=comparison)

    # theirs leaves the rounding of a distance of zero as it is, and ranks it
    tolerance = 1e-3 if comparison in ("spearman", "rho_a", "kendall_tau_a") else 1e-9
    assert ours == pytest.approx(compare(*rdms, method=_THEIRS[comparison]).item(), abs=tolerance)


@pytest.mark.parametrize(("stimuli", "units"), [(10, 2), (10, 5000), (100, 20), (100, 5000)])
def test_unrelated_representations_have_no_similarity_on_average(stimuli: int, units: int) -> None:
    pairs = [(_normal(stimuli, units, seed=seed), _normal(stimuli, units, seed=1000 + seed)) for seed in range(60)]

    unbiased = torch.tensor([_cka(*pair) for pair in pairs])
    ranked = torch.tensor([_rsa(*pair) for pair in pairs if units > 2])
    biased = torch.tensor([_biased_cka(*pair) for pair in pairs])

    for values in (unbiased, ranked) if units > 2 else (unbiased,):
        assert abs(values.mean()) < 4 * values.std() / len(values) ** 0.5
    if units > stimuli:
        assert biased.mean() > 0.9  # and so the test of the others can fail


@pytest.mark.parametrize(("kept", "units"), [(5, 20), (10, 1000)])
def test_a_subspace_has_the_root_of_its_share(kept: int, units: int) -> None:
    whole = _normal(1500, units, seed=0)

    found = _cka(whole, whole[:, :kept])

    assert found == pytest.approx((kept / units) ** 0.5, abs=0.03)


@pytest.mark.parametrize("share", [0.2, 0.8])
def test_a_mixture_has_the_square_of_what_is_shared(share: float) -> None:
    shared = _normal(1000, 100, seed=0)
    mixed = [share**0.5 * shared + (1 - share) ** 0.5 * _normal(1000, 100, seed=seed) for seed in (1, 2)]

    assert _cka(*mixed) == pytest.approx(share**2, abs=0.02)


@settings(max_examples=15, deadline=None)
@given(
    st.integers(8, 60), st.integers(3, 80), st.floats(0.01, 100.0), st.floats(-10, 10), st.integers(0, 10**6)
)  # fmt: skip
@example(stimuli=8, units=3, scale=0.01171875, shift=4.0, seed=1)  # units differ by a thousandth of what they answer
def test_rotation_scale_and_shift_change_nothing(
    stimuli: int, units: int, scale: float, shift: float, seed: int
) -> None:
    first, second = _normal(stimuli, units, seed=seed), _normal(stimuli, 5, seed=seed + 1)
    rotation = torch.linalg.qr(_normal(units, units, seed=seed + 2)).Q
    moved = scale * first @ rotation + shift

    assert _cka(first, moved) == pytest.approx(1, abs=1e-6)
    assert _cka(moved, second) == pytest.approx(_cka(first, second), abs=1e-6)
    assert _rsa(scale * first + shift, first) == pytest.approx(1, abs=1e-6)  # a mean over units has no part in it


@settings(max_examples=15, deadline=None)
@given(st.integers(5, 40), st.integers(2, 30), st.sampled_from(sorted(COMPARISONS)), st.integers(0, 10**6))
def test_order_of_stimuli_and_of_the_two_changes_nothing(stimuli: int, units: int, comparison: str, seed: int) -> None:
    first, second = (squared_euclidean(_normal(stimuli, units, seed=seed + place)) for place in (0, 1))
    order = torch.randperm(stimuli, generator=torch.Generator().manual_seed(seed))

    found = similarities([first], [second], comparison=comparison)
    moved = similarities([second[order][:, order]], [first[order][:, order]], comparison=comparison)

    assert -1 <= found.values.item() <= 1
    assert moved.values.item() == pytest.approx(found.values.item(), abs=1e-9)


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float32])
def test_lesser_precision_moves_little(kind: torch.dtype) -> None:
    first = _normal(80, 500, seed=0).relu() + 3
    second = first + _normal(80, 500, seed=1)

    found = _cka(first.to(kind), second.to(kind)), _rsa(first.to(kind), second.to(kind))

    assert found == pytest.approx((_cka(first, second), _rsa(first, second)), abs=5e-3)


def test_stimuli_shown_twice_are_no_distance_apart() -> None:
    once = _normal(20, 300, seed=0).float() + 100
    twice = once.repeat(2, 1)

    for distance in DISTANCES.values():
        found = distance(twice, None)
        assert (found.diagonal(20) == 0).all() and (found == 0).sum() == 80


def test_dead_units_have_no_part() -> None:
    first, second = _normal(50, 30, seed=0), _normal(50, 10, seed=1)
    second += first[:, :10]
    dead = torch.cat([second, torch.zeros(50, 5000, dtype=torch.float64)], 1)

    assert _cka(first, dead) == pytest.approx(_cka(first, second), abs=1e-9)


@pytest.mark.parametrize(
    ("responses", "why"),
    [
        (torch.zeros(30, 10), "all stimuli are answered alike"),
        (torch.eye(30), "all stimuli are equally far apart"),
        (torch.full((30, 10), torch.nan), "30 of 30 stimuli are answered alike by all units, or not finitely"),
        (torch.full((30, 10), torch.inf), "30 of 30 stimuli are answered alike by all units, or not finitely"),
    ],
)
def test_what_cannot_be_estimated_says_why(responses: Tensor, why: str) -> None:
    found = linear_cka(responses, _normal(30, 10, seed=0).float())

    assert np.isnan([found.value, found.standard_error, found.lower]).all() and found.note == why


def test_three_stimuli_are_too_few() -> None:
    found = linear_cka(_normal(3, 10, seed=0), _normal(3, 10, seed=1))

    assert np.isnan(found.value) and found.note == "3 stimuli, and 4 at least are needed"


def test_a_single_unit_has_no_correlations() -> None:
    found = rsa(_normal(30, 1, seed=0), _normal(30, 10, seed=1))

    assert np.isnan(found.value) and found.note.startswith("30 of 30 stimuli are answered alike by all units")


def test_stimuli_without_a_correlation_are_left_out_of_both() -> None:
    first, second = _normal(30, 10, seed=0), _normal(30, 10, seed=1)
    silenced = first.clone()
    silenced[:5] = 0

    found = rsa(silenced, second)

    assert found.stimuli == 25
    assert found.value == rsa(first[5:], second[5:]).value


def test_the_mean_over_units_is_taken_off_a_projection() -> None:
    responses = _normal(40, 4000, seed=0) + 3 * _normal(40, 1, seed=1) + 20
    projection = torch.randint(2, (4000, 800), generator=torch.Generator().manual_seed(2)).double() * 2 - 1

    found = correlation(responses @ projection, projection.sum(0))

    # the projection's own error is about sqrt(1 / 800); without the mean taken off all correlations would be near 1
    assert (found - correlation(responses)).fill_diagonal_(0).abs().max() < 5 * 800**-0.5


def test_intervals_cover_the_truth() -> None:
    """Of mixtures with a CKA of 0.25: at 95%, in all but few of 60 sets of stimuli."""
    covered = []
    for seed in range(60):
        shared = _normal(200, 20, seed=seed)
        first, second = (shared + _normal(200, 20, seed=seed + 1000 * place) for place in (1, 2))
        found = linear_cka(first, second)
        covered.append(found.lower <= 0.25 <= found.upper)

    assert sum(covered) / len(covered) >= 0.87


def test_halves_do_not_hold_a_stimulus_twice() -> None:
    """A bootstrap would: its zeros off the diagonal make unrelated representations alike."""
    first, second = _normal(100, 200, seed=0), _normal(100, 200, seed=1)
    found = similarities(
        [squared_euclidean(first)], [squared_euclidean(second)], comparison="cka",
        halves=half_samples(torch.zeros(100, dtype=torch.long)),
    )  # fmt: skip
    drawn = torch.randint(100, (100,), generator=torch.Generator().manual_seed(0))

    assert abs(_cka(first[drawn], second[drawn])) > 0.3
    assert found.half_differences.abs().max() < 0.1


def test_noise_ceiling_holds_the_best_model() -> None:
    truth = _normal(60, 30, seed=0)
    seeds = [squared_euclidean(truth + 0.7 * _normal(60, 30, seed=seed)) for seed in range(1, 6)]

    low, high = noise_ceiling(seeds, comparison="cka")
    model = similarities([squared_euclidean(truth)], seeds, comparison="cka").values.mean()

    assert low < model < high
    assert np.isnan(noise_ceiling(seeds[:2], comparison="cka")).all()


def test_what_a_third_brings_along_is_taken_off() -> None:
    images = _normal(400, 50, seed=0)
    first, second = (torch.cat([images, _normal(400, 50, seed=seed)], 1) for seed in (1, 2))
    between, of_first, of_second = (_cka(*pair) for pair in ((first, second), (first, images), (second, images)))

    assert between == pytest.approx(0.5, abs=0.05)
    assert partial_similarity(between, of_first, of_second) == pytest.approx(0, abs=0.03)


def test_one_pair_does_not_depend_on_the_others() -> None:
    matrices = [correlation(_normal(30, 10, seed=seed)) for seed in range(3)]
    matrices[2][:3] = matrices[2][:, :3] = torch.nan
    halves = half_samples(torch.zeros(30, dtype=torch.long))

    together = similarities(matrices, matrices, comparison="spearman", halves=halves)
    alone = similarities(matrices[:1], matrices[1:2], comparison="spearman", halves=halves)

    torch.testing.assert_close(together.values[0, 1], alone.values[0, 0], rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(
        together.half_differences[:, 0, 1], alone.half_differences[:, 0, 0], rtol=1e-12, atol=1e-14
    )
    assert together.stimuli[0].tolist() == [30, 30, 27]


def test_similarity_of_two_is_a_frozen_record() -> None:
    assert isinstance(linear_cka(_normal(30, 3, seed=0), _normal(30, 3, seed=1)), Similarity)
