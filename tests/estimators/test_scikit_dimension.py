import numpy as np
import pytest
import skdim
import torch

from pdtrain.estimators.dimension import intrinsic_dimension

_GLOBAL = np.random.mtrand._rand  # numpy's global stream, which scikit-dimension draws from


def _points() -> torch.Tensor:
    return torch.randn(120, 10, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def _dimension(name: str, seed: int) -> float:
    return intrinsic_dimension(_points(), estimators=(name,), seed=seed).estimates[name].dimension


@pytest.mark.parametrize("name", ["skdim.KNN", "skdim.PH"])  # which draw random numbers
def test_two_calls_with_one_seed_agree(name: str) -> None:
    _GLOBAL.seed(1)
    first = _dimension(name, seed=3)
    _GLOBAL.seed(2)

    assert _dimension(name, seed=3) == first


def test_the_seed_is_what_the_estimator_draws_from() -> None:
    assert _dimension("skdim.PH", seed=3) != _dimension("skdim.PH", seed=4)
    assert np.isfinite(_dimension("skdim.PH", seed=-1))  # which numpy would not take


def test_the_global_stream_is_left_as_it_was() -> None:
    _GLOBAL.seed(7)
    expected = _GLOBAL.rand(5)
    _GLOBAL.seed(7)

    _dimension("skdim.KNN", seed=0)

    assert np.array_equal(_GLOBAL.rand(5), expected)


def test_the_global_stream_is_left_as_it_was_when_the_estimator_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: object, points: np.ndarray) -> None:
        _GLOBAL.rand(3)
        raise RuntimeError("no estimate")

    monkeypatch.setattr(skdim.id.MOM, "fit", fail)
    _GLOBAL.seed(7)
    expected = _GLOBAL.rand(5)
    _GLOBAL.seed(7)

    with pytest.raises(RuntimeError, match="no estimate"):
        _dimension("skdim.MOM", seed=0)

    assert np.array_equal(_GLOBAL.rand(5), expected)
