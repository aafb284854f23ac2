import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pdtrain.estimators import neighbors
from pdtrain.estimators.copies import first_copies
from pdtrain.estimators.neighbors import search_pairs


def _by_differences(points: torch.Tensor) -> torch.Tensor:
    distances = torch.cdist(points.double(), points.double(), compute_mode="donot_use_mm_for_euclid_dist")
    return distances.fill_diagonal_(torch.inf)


def _rectified(count: int, features: int, kinds: int, *, seed: int = 0) -> torch.Tensor:
    """Sparse responses of which only `kinds` differ, drawn unequally often."""
    generator = torch.Generator().manual_seed(seed)
    different = (torch.randn(kinds, features, generator=generator) - 0.8).relu()
    return different[(kinds * torch.rand(count, generator=generator) ** 2).long()]


@settings(deadline=None, max_examples=40)
@given(
    st.integers(14, 90), st.integers(1, 6), st.integers(2, 60), st.integers(0, 10**6), st.integers(3, 100),
    st.sampled_from([torch.float64, torch.float32]),
)  # fmt: skip
def test_points_with_copies_have_the_distances_of_all_pairs(
    count: int, features: int, kinds: int, seed: int, block: int, dtype: torch.dtype
) -> None:
    points = _rectified(count, features, kinds, seed=seed).to(dtype)
    labels = torch.arange(count) % 3

    found = search_pairs(points, 6, partitions=[labels], partition_k=3, block=block)

    distances = _by_differences(points)
    alone = distances.masked_fill(labels[:, None] != labels, torch.inf)
    for neighbours, expected in ((found.neighbors, distances), (found.within[0], alone)):
        k = neighbours.distances.shape[1]
        torch.testing.assert_close(neighbours.distances, expected.sort(1).values[:, :k], rtol=1e-6, atol=1e-12)
        # and the neighbours named are at those distances, each named once
        finite = torch.isfinite(neighbours.distances)
        at = expected.gather(1, neighbours.indices)
        torch.testing.assert_close(at[finite], neighbours.distances[finite], rtol=1e-6, atol=1e-12)
        named = [row[kept].tolist() for row, kept in zip(neighbours.indices, finite, strict=True)]
        assert all(len(set(row)) == len(row) for row in named)


@pytest.mark.parametrize("case", ["half zero", "ten kinds", "zero is the nearest of all", "binary"])
def test_copies_cost_no_more_differences_than_other_points(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    points = {
        "half zero": _rectified(1200, 40, 1200),
        "ten kinds": _rectified(1200, 40, 10),
        "zero is the nearest of all": torch.eye(1200) * torch.linspace(1, 2, 1200),
        "binary": (_rectified(1200, 12, 1200) > 0).float(),
    }[case]
    if case in ("half zero", "zero is the nearest of all"):
        points[::2] = 0
    pairs, original = [], neighbors.squared_distances

    def count(points: torch.Tensor, rows: torch.Tensor, listed: torch.Tensor) -> torch.Tensor:
        pairs.append(listed.numel())
        return original(points, rows, listed)

    monkeypatch.setattr(neighbors, "squared_distances", count)

    search_pairs(points, 2)

    # two passes over five candidates each, and ties of the binary points; all pairs would be 1,200 a point
    assert sum(pairs) <= 25 * len(points)


def test_the_first_of_identical_points_is_found() -> None:
    points = torch.randn(30, 7, generator=torch.Generator().manual_seed(0))
    points[20], points[25] = points[4], points[4]
    points[9, 3], points[11] = 0.0, points[9]
    points[11, 3] = -0.0

    first = first_copies(points, points.double().square().sum(1))

    expected = torch.arange(30)
    expected[[20, 25]], expected[11] = 4, 9
    assert first is not None and torch.equal(first, expected)


def test_points_of_the_same_length_are_no_copies() -> None:
    points = torch.randn(8, 50, generator=torch.Generator().manual_seed(0))[torch.zeros(20, dtype=torch.long)]
    points = torch.stack([row[torch.randperm(50)] for row in points])  # the same values in another order

    assert first_copies(points, torch.ones(20, dtype=torch.float64)) is None
