import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pdtrain.estimators.moved_points import MovedPoints
from pdtrain.estimators.neighbors import nearest_neighbors, search_pairs


def _gaussian(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def _by_differences(points: torch.Tensor) -> torch.Tensor:
    points = points.double()
    distances = torch.cdist(points, points, compute_mode="donot_use_mm_for_euclid_dist")
    return distances.fill_diagonal_(torch.inf)


@settings(deadline=None, max_examples=40)
@given(
    st.integers(12, 80),
    st.integers(1, 8),
    st.integers(0, 10**6),
    st.integers(3, 100),
    st.sampled_from([torch.float64, torch.float32]),
)
def test_neighbours_equal_all_pairs(count: int, features: int, seed: int, block: int, dtype: torch.dtype) -> None:
    points = _gaussian(count, features, seed=seed, dtype=dtype)

    found = nearest_neighbors(points, 5, block=block).distances

    # float32 differences are exact to a few units in the last place
    rtol = 1e-12 if dtype == torch.float64 else 1e-6
    torch.testing.assert_close(found, _by_differences(points).sort(1).values[:, :5], rtol=rtol, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("k", [3, 40])
def test_both_precisions_of_the_pass_are_exact(dtype: torch.dtype, k: int) -> None:
    points = _gaussian(1500, 60, dtype=dtype)  # k = 3: float32 products; k = 40: float64 products

    found = nearest_neighbors(points, k).distances

    torch.testing.assert_close(found, _by_differences(points).sort(1).values[:, :k], rtol=3e-7, atol=0)


def test_float32_products_that_may_have_fewer_digits_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    used = []

    def products(self: MovedPoints, rows: slice, columns: slice, dtype: torch.dtype) -> torch.Tensor:
        used.append(dtype)
        return original(self, rows, columns, dtype)

    original = MovedPoints.products
    monkeypatch.setattr(MovedPoints, "products", products)
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")  # TF32 on a GPU, bfloat16 on some CPUs
    try:
        nearest_neighbors(_gaussian(1500, 60, dtype=torch.float32), 3)
    finally:
        torch.set_float32_matmul_precision(before)

    assert set(used) == {torch.float64}


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_points_are_taken_at_their_value(dtype: torch.dtype) -> None:
    points = _gaussian(200, 20, dtype=dtype)

    found = nearest_neighbors(points, 2).distances

    torch.testing.assert_close(found, _by_differences(points).sort(1).values[:, :2], rtol=1e-6, atol=0)


def test_a_huge_offset_costs_no_digits() -> None:
    points = (_gaussian(800, 50) * 1e-2 + 1e4).float()

    found = nearest_neighbors(points, 2).distances

    torch.testing.assert_close(found, _by_differences(points).sort(1).values[:, :2], rtol=1e-6, atol=0)


def test_one_point_far_away_costs_no_digits() -> None:
    points = _gaussian(800, 50, dtype=torch.float32)
    points[3] = 1e6

    found = nearest_neighbors(points, 2).distances

    torch.testing.assert_close(found, _by_differences(points).sort(1).values[:, :2], rtol=1e-6, atol=0)


@pytest.mark.parametrize(
    "cloud", ["one", "far from the origin", "one point far away", "close pairs", "clusters", "with copies"]
)
def test_beyond_the_exact_neighbours_distances_are_nearly_so(cloud: str) -> None:
    points = _gaussian(900, 50)
    if cloud == "far from the origin":
        points = points * 1e-2 + 1e4
    elif cloud == "one point far away":
        points[3] = 1e6
    elif cloud == "close pairs":
        points[450:] = points[:450] + 1e-4 * points[450:]
    elif cloud == "clusters":  # as far apart as products are still ordered right, and too rough
        points = points[torch.arange(900) % 50] + 0.03 * _gaussian(900, 50, seed=1)
    elif cloud == "with copies":
        points[450:] = points[:450]
    points = points.float()

    found = search_pairs(points, 14, exact=2).neighbors.distances

    truth = _by_differences(points).sort(1).values[:, :14]
    torch.testing.assert_close(found[:, :2], truth[:, :2], rtol=1e-6, atol=0)
    torch.testing.assert_close(found, truth, rtol=1e-5, atol=0)


@pytest.mark.parametrize("count", [60, 3000])
def test_copies_have_distance_exactly_zero(count: int) -> None:
    points = _gaussian(count, 30, dtype=torch.float32) + 5
    points[10] = points[20]

    found = nearest_neighbors(points, 2)

    assert found.distances[10, 0] == 0 == found.distances[20, 0] and found.indices[10, 0] == 20


def test_points_on_a_lattice_tie_exactly() -> None:
    axis = torch.arange(12.0) * 0.1
    points = torch.cartesian_prod(axis, axis, axis).double()

    distances = nearest_neighbors(points, 4).distances

    # the spacing itself is rounded: a tie is exact where the differences are
    exact = _by_differences(points).sort(1).values[:, :4]
    assert torch.equal(distances[:, 0] == distances[:, 1], exact[:, 0] == exact[:, 1])


def test_parts_have_neighbours_of_their_own() -> None:
    points, labels = _gaussian(600, 10), torch.arange(600) % 7

    found = search_pairs(points, 3, partitions=[labels], partition_k=3, block=128).within[0].distances

    alone = _by_differences(points).masked_fill(labels[:, None] != labels, torch.inf)
    torch.testing.assert_close(found, alone.sort(1).values[:, :3])


def test_a_part_too_small_has_infinite_distances() -> None:
    labels = torch.zeros(50, dtype=torch.long)
    labels[:2] = 1

    found = search_pairs(_gaussian(50, 4), 2, partitions=[labels], partition_k=3).within[0].distances

    assert torch.isfinite(found[:2, 0]).all() and torch.isinf(found[:2, 1:]).all() and torch.isfinite(found[2:]).all()


@pytest.mark.parametrize("count", [100, 900])
def test_gram_is_about_the_mean(count: int) -> None:
    points = _gaussian(count, 30) + 3

    found = search_pairs(points, 1, spectrum=True, keep_gram=True, block=200)

    centred = points - points.mean(0)
    gram = centred @ centred.T
    assert found.gram is not None
    torch.testing.assert_close(found.gram, gram, atol=1e-9, rtol=1e-9)
    assert found.squared_norm_sum == pytest.approx(float(gram.trace()))
    assert found.squared_product_sum == pytest.approx(float(gram.square().sum()))


def test_memory_stays_far_below_all_pairs() -> None:
    largest = 0

    class Watch(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
            nonlocal largest
            result = func(*args, **(kwargs or {}))
            if isinstance(result, torch.Tensor):
                largest = max(largest, result.numel())
            return result

    points = _gaussian(20_000, 3, dtype=torch.float32)
    with Watch():
        nearest_neighbors(points, 2)

    assert largest <= 20_000 * 512 * 1.1, "one panel, not the matrix of 4e8 numbers"


def test_the_search_names_no_device() -> None:
    class Refuse(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
            device = (kwargs or {}).get("device")
            assert device is None or torch.device(device).type == "meta", f"{func} made on {device}"
            return func(*args, **(kwargs or {}))

    from pdtrain.estimators.copies import Listable
    from pdtrain.estimators.neighbors import _all_pairs, _Nearest

    points = torch.empty(700, 30, device="meta")
    labels = torch.empty(700, dtype=torch.long, device="meta")
    squares = torch.empty(700, dtype=torch.float64, device="meta")
    with Refuse():
        moved = MovedPoints.__new__(MovedPoints)
        moved.points, moved.ranges, moved.mean, moved._kept = points, [slice(0, 30)], None, {}
        nearest = [_Nearest(moved, 3, to, torch.float32) for to in (Listable(), Listable(labels, labels))]
        _, gram = _all_pairs(moved, squares, nearest, spectrum=False, keep_gram=True, block=256, dtype=torch.float32)

    assert all(n.values.device.type == n.indices.device.type == "meta" for n in nearest)
    assert nearest[0].values.shape == (700, 6) and gram is not None and gram.shape == (700, 700)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_value_that_is_not_finite_names_stimulus_and_unit(value: float) -> None:
    points = _gaussian(50, 4)
    points[7, 2] = value

    with pytest.raises(ValueError, match="stimulus 7, unit 2"):
        nearest_neighbors(points, 2)


def test_more_neighbours_than_points_are_refused() -> None:
    with pytest.raises(ValueError, match="k=5 neighbours need more than 5 points; got 5"):
        nearest_neighbors(_gaussian(5, 2), 5)
