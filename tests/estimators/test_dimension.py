import math
import warnings

import numpy as np
import pytest
import scipy.spatial
import skdim
import torch

from pdtrain.estimators.dimension import ESTIMATORS, intrinsic_dimension
from pdtrain.estimators.neighbors import nearest_neighbors
from pdtrain.estimators.ratios import GRIDE_SCALES, RATIO_ESTIMATORS, two_nn, two_nn_ansuini

MANIFOLDS = [
    "M1_Sphere", "M2_Affine_3to5", "M3_Nonlinear_4to6", "M4_Nonlinear", "M5b_Helix2d", "M6_Nonlinear", "M7_Roll",
    "M9_Affine", "M10a_Cubic", "M10c_Cubic", "M11_Moebius", "M12_Norm", "M13a_Scurve", "Mbeta",
]  # fmt: skip


def _gaussian(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def _ansuini(points: np.ndarray, fraction: float = 0.9) -> float:
    """The protocol of Ansuini et al. (2019), from all distances."""
    ordered = np.sort(scipy.spatial.distance.cdist(points, points), axis=1)
    first, second = ordered[:, 1], ordered[:, 2]
    good = (first > 0) & (first != second)
    mu = np.sort(second[good] / first[good])
    empirical = np.arange(1, len(mu) + 1) / len(mu)
    x, y = np.log(mu)[:-2], -np.log(1 - empirical[:-2])
    kept = int(np.floor(good.sum() * fraction))
    return float(np.linalg.lstsq(x[:kept, None], y[:kept], rcond=None)[0][0])


def _peer(name: str, points: np.ndarray) -> float:
    if name == "two_nn_ansuini":
        return _ansuini(points)
    if name == "two_nn":
        return skdim.id.TwoNN().fit(points).dimension_
    if name == "two_nn_mle":
        return skdim.id.TwoNN(discard_fraction=0, method="mle").fit(points).dimension_
    if name == "mle":
        return skdim.id.MLE().fit(points, n_neighbors=20).dimension_
    if name == "correlation":
        return skdim.id.CorrInt().fit(points).dimension_
    if name == "participation_ratio":
        return skdim.id.lPCA(ver="participation_ratio").fit(points).dimension_
    if name == "pc_id":
        return skdim.id.lPCA(ver="ratio", alphaRatio=0.9).fit(points).dimension_
    return skdim.id.GRIDE(n1=int(name.removeprefix("gride_"))).fit(points).dimension_


def _manifold(name: str) -> np.ndarray:
    benchmark = skdim.datasets.BenchmarkManifolds(random_state=0)
    dimension, features, _ = benchmark.truth.loc[name]
    return benchmark.generate(name=name, n=2000, dim=features, d=dimension)


@pytest.mark.parametrize("manifold", MANIFOLDS)
def test_every_estimator_equals_scikit_dimension(manifold: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        points = _manifold(manifold)

        found = intrinsic_dimension(torch.from_numpy(np.asarray(points)), estimators=ESTIMATORS, resamplings=0)

        for name in ESTIMATORS:
            assert found.estimates[name].dimension == pytest.approx(_peer(name, points), rel=1e-6), name


@pytest.mark.parametrize("dimension", [1, 2, 5])
@pytest.mark.parametrize("estimator", ["two_nn", "two_nn_mle", "mle", "gride_2", "correlation"])
def test_cube_has_its_dimension(dimension: int, estimator: str) -> None:
    points = torch.rand(2000, dimension, generator=torch.Generator().manual_seed(0)) @ _gaussian(dimension, 30).float()

    estimate = intrinsic_dimension(points, estimators=(estimator,)).estimates[estimator]

    assert estimate.dimension == pytest.approx(dimension, rel=0.16)  # edges of the cube lower it


def test_linear_estimators_count_the_axes_of_a_gaussian() -> None:
    found = intrinsic_dimension(_gaussian(4000, 4), estimators=("participation_ratio", "pc_id")).estimates

    assert found["participation_ratio"].dimension == pytest.approx(4, rel=0.02)
    assert found["pc_id"].dimension == 4


def test_pc_id_of_very_many_points_says_that_it_took_a_part() -> None:
    points = torch.zeros(4200, 4100)
    points[:, :4] = _gaussian(4200, 4).float()

    estimate = intrinsic_dimension(points, estimators=("pc_id",)).estimates["pc_id"]

    assert estimate.dimension == 4 and estimate.note == "of 4096 random points"


@pytest.mark.parametrize("count", [23, 200, 1000])
@pytest.mark.parametrize("copies", [0, 7])
def test_two_nn_of_ansuini_is_their_protocol(count: int, copies: int) -> None:
    points = torch.cat([_gaussian(count, 8), _gaussian(count, 8)[:copies]])

    estimate = intrinsic_dimension(points, estimators=("two_nn_ansuini",)).estimates["two_nn_ansuini"]

    if count - copies < 20:
        assert math.isnan(estimate.dimension)
    else:
        assert estimate.dimension == pytest.approx(_ansuini(points.numpy()), rel=1e-6)


@pytest.mark.parametrize("fraction", [0.5, 0.9, 1.0])
def test_of_all_ratios_ansuini_leave_out_the_last_two(fraction: float) -> None:
    points = _gaussian(300, 8)
    distances = nearest_neighbors(points, 2).distances

    found = two_nn_ansuini(distances, fraction=fraction)

    assert found == pytest.approx(_ansuini(points.numpy(), fraction), rel=1e-6)
    # at 90% those two are left out anyway
    assert (found == pytest.approx(two_nn(distances, discard_fraction=1 - fraction), rel=1e-12)) == (fraction < 1)


def test_scikit_dimension_estimators_are_reached_by_name() -> None:
    points = torch.rand(500, 3, generator=torch.Generator().manual_seed(0))

    found = intrinsic_dimension(points, estimators=("skdim.MOM",)).estimates["skdim.MOM"].dimension

    assert found == pytest.approx(skdim.id.MOM().fit(points.double().numpy()).dimension_)


def test_one_search_serves_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    from pdtrain.estimators import dimension

    searches = []

    def count(*args: object, **kwargs: object) -> object:
        searches.append(1)
        return original(*args, **kwargs)

    original = dimension.search_pairs
    monkeypatch.setattr(dimension, "search_pairs", count)

    found = intrinsic_dimension(
        _gaussian(400, 5), estimators=ESTIMATORS, labels=torch.arange(400) % 4, scales=3, resamplings=20
    )

    assert len(searches) == 1
    assert set(found.estimates) == set(ESTIMATORS) and set(found.per_label) == set(RATIO_ESTIMATORS)
    assert [parts.points for parts in found.scales["two_nn"]] == [200, 100, 50]


@pytest.mark.parametrize("estimator", ["two_nn", "mle", "gride_4"])
def test_resamplings_equal_estimates_on_the_subsamples(estimator: str) -> None:
    from pdtrain.estimators.resampling import subsamples

    points = _gaussian(600, 4)
    masks = subsamples(600, 20, 0.9, seed=3)

    found = intrinsic_dimension(points, estimators=(estimator,), seed=3).estimates[estimator].spread

    one_by_one = [
        intrinsic_dimension(points[mask], estimators=(estimator,), resamplings=0).estimates[estimator].dimension
        for mask in masks
    ]
    # a point whose listed neighbours do not reach into the subsample is left out: 1 in 100,000
    assert found.resampled_mean == pytest.approx(np.mean(one_by_one), rel=1e-4)
    assert found.resampled_standard_deviation == pytest.approx(np.std(one_by_one, ddof=1), rel=1e-2)


def test_estimates_per_label_and_scale_equal_those_of_the_parts_alone() -> None:
    points, labels = _gaussian(600, 4), torch.arange(600) % 3

    found = intrinsic_dimension(points, estimators=("two_nn",), labels=labels)

    alone = [intrinsic_dimension(points[labels == i]).estimates["two_nn"].dimension for i in range(3)]
    assert found.per_label["two_nn"].mean == pytest.approx(np.mean(alone))
    assert found.per_label["two_nn"].standard_deviation == pytest.approx(np.std(alone, ddof=1))


def _circles(count: int, dimension: int, seed: int) -> torch.Tensor:
    """Uniform on a product of circles: no edges, so that the estimate at any number of points is near the truth."""
    angles = torch.rand(count, dimension, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return torch.cat([(2 * math.pi * angles).cos(), (2 * math.pi * angles).sin()], 1)


_WITH_INTERVALS = ("two_nn", "two_nn_mle", "gride_2")


@pytest.fixture(scope="module")
def coverage() -> dict[str, float]:
    """How often the interval of each estimator holds its value of many points: one search serves all three."""
    large = intrinsic_dimension(_circles(20_000, 2, seed=999), estimators=_WITH_INTERVALS, resamplings=0).estimates
    covered = dict.fromkeys(_WITH_INTERVALS, 0)
    for repetition in range(200):
        points = _circles(800, 2, seed=repetition)
        found = intrinsic_dimension(points, estimators=_WITH_INTERVALS, resamplings=0).estimates
        for name in _WITH_INTERVALS:
            covered[name] += found[name].spread.lower <= large[name].dimension <= found[name].spread.upper
    return {name: count / 200 for name, count in covered.items()}


@pytest.mark.slow
@pytest.mark.parametrize("estimator", _WITH_INTERVALS)
def test_intervals_cover_the_large_sample_value(coverage: dict[str, float], estimator: str) -> None:
    assert 0.90 <= coverage[estimator] <= 0.98


def test_duplicates_are_dropped_and_counted() -> None:
    points = torch.rand(300, 3, generator=torch.Generator().manual_seed(0))

    estimate = intrinsic_dimension(torch.cat([points, points[:50]])).estimates["two_nn"]

    assert estimate.dropped >= 100  # and the points between two copies, whose neighbours tie
    assert estimate.dropped + estimate.points == 350 and "dropped" in estimate.note
    assert estimate.dimension == pytest.approx(3, rel=0.25)


@pytest.mark.parametrize(
    ("points", "note"),
    [
        (torch.ones(100, 5), "constant layer"),
        (torch.rand(15, 5), "15 points, fewer than 20"),
        (torch.rand(10, 5).repeat(10, 1), "only 0 points without duplicates or ties"),
    ],
)
def test_what_cannot_be_estimated_is_said_for_every_estimator(points: torch.Tensor, note: str) -> None:
    found = intrinsic_dimension(points, estimators=list(RATIO_ESTIMATORS)).estimates

    for name, estimate in found.items():
        if math.isnan(estimate.dimension):
            assert note in estimate.note or "fewer than 20" in estimate.note, name
        else:  # 10 copies each: a ratio of far neighbours still exists
            assert name.startswith("gride"), name


def test_no_estimate_is_silently_missing() -> None:
    hard = {
        "mostly copies": torch.cat([torch.zeros(500, 6), torch.rand(100, 6)]),
        "one feature": torch.rand(200, 1),
        "more features than points": torch.rand(40, 5000),
        "integers": torch.randint(3, (300, 4)).float(),
        "two values": torch.randint(2, (200, 1)).float(),
    }
    for case, points in hard.items():
        found = intrinsic_dimension(points, estimators=ESTIMATORS, scales=2, labels=torch.arange(len(points)) % 2)
        for name, estimate in found.estimates.items():
            assert math.isfinite(estimate.dimension) or estimate.note, (case, name)
            assert not math.isinf(estimate.dimension), (case, name)


def test_estimates_do_not_depend_on_the_unit_of_the_responses() -> None:
    points = _gaussian(500, 6)
    first = intrinsic_dimension(points, estimators=ESTIMATORS, resamplings=0).estimates

    for scale in (1e-38, 1e-30, 1e-22, 1e-12, 1e12, 1e22, 1e36):
        scaled = intrinsic_dimension(points * scale, estimators=ESTIMATORS, resamplings=0).estimates
        for name in ESTIMATORS:
            assert scaled[name].dimension == pytest.approx(first[name].dimension, rel=1e-6), (scale, name)


def test_gride_of_scale_one_is_the_maximum_likelihood_two_nn() -> None:
    distances = nearest_neighbors(_gaussian(500, 5), 2).distances

    values = [RATIO_ESTIMATORS[name].estimate(distances) for name in ("gride_1", "two_nn_mle")]

    assert values[0] == pytest.approx(values[1]) and GRIDE_SCALES[0] == 1


def test_activations_that_still_have_a_gradient_are_points_as_others_are() -> None:
    points = torch.rand(200, 3, generator=torch.Generator().manual_seed(0))
    names = ["two_nn", "participation_ratio", "pc_id"]

    as_trained = intrinsic_dimension(points.clone().requires_grad_(), estimators=names)

    assert as_trained == intrinsic_dimension(points, estimators=names)
