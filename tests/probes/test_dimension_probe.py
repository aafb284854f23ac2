import pytest
import torch

from pdtrain.activations.layers import Layer
from pdtrain.activations.recorder import LayerResponse
from pdtrain.errors import InputError
from pdtrain.probes import dimension_probe
from pdtrain.probes.dimension_probe import DimensionProbe
from pdtrain.stimuli.stimulus_set import StimulusSet


def test_a_full_device_memory_moves_the_estimate_to_the_cpu(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    points = torch.randn(100, 5, generator=torch.Generator().manual_seed(0))
    layer = Layer("relu1", "relu1", 1, 0.5, (5,), "activation")
    response = LayerResponse(layer, points, False, torch.arange(5), points, torch.device("cpu"))
    images = torch.zeros(100, 1, 2, 2)
    stimuli = StimulusSet(images, torch.zeros(100, dtype=torch.long))
    expected = DimensionProbe().measure([response], stimuli)
    estimate, calls = dimension_probe.intrinsic_dimension, []

    def full_at_first(*arguments, **options):
        calls.append(1)
        if len(calls) == 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return estimate(*arguments, **options)

    monkeypatch.setattr(dimension_probe, "intrinsic_dimension", full_at_first)

    assert DimensionProbe().measure([response], stimuli) == expected
    assert "layer relu1: the device's memory is full; estimating on the CPU" in caplog.text


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"estimators": ["two_nn", "pc_id"]}, r"estimators=\['pc_id'\]"),
        ({"estimators": ["skdim.MOM"]}, r"estimators=\['skdim.MOM'\]"),
        ({"per_class": True}, "per_class=true"),
        ({"scales": 3}, "scales=3"),
        ({"estimators": ["correlation"], "per_class": True, "scales": 1}, r"'correlation'\], per_class=true, scales=1"),
    ],
)
def test_what_a_projected_search_cannot_give_is_refused_before_training(options: dict, named: str) -> None:
    with pytest.raises(InputError, match=rf"probes.intrinsic_dimension.projected_features=500: .*{named}.*=null"):
        DimensionProbe(**options, projected_features=500)

    DimensionProbe(**options)  # without the projection all of it is possible


def test_a_projected_search_takes_estimators_of_distance_ratios() -> None:
    DimensionProbe(["two_nn", "two_nn_mle", "mle", "gride", "two_nn_ansuini"], projected_features=500)


def _measured(points: torch.Tensor, **options: object) -> dict[str, str]:
    """Notes by quantity."""
    layer = Layer("relu1", "relu1", 1, 0.5, (points.shape[1],), "activation")
    response = LayerResponse(layer, points, False, torch.arange(points.shape[1]), points, torch.device("cpu"))
    images = torch.zeros(len(points), 1, 2, 2)
    stimuli = StimulusSet(images, torch.arange(len(points)) % 2)
    return {row.quantity: row.note for row in DimensionProbe(**options).measure([response], stimuli).rows}


def test_rows_say_that_they_are_lower_bounds() -> None:
    points = torch.randn(400, 60, generator=torch.Generator().manual_seed(0))

    high = _measured(points, estimators=["two_nn", "pc_id"], per_class=True, scales=1)
    low = _measured(points[:, :3], estimators=["two_nn", "pc_id"], per_class=True, scales=1)

    quantities = {"two_nn", "two_nn_resampled", "two_nn_per_class", "two_nn_at_200_points"}
    assert {quantity for quantity, note in high.items() if "lower bound" in note} == quantities
    assert not any("lower bound" in note for note in low.values()) and set(low) == set(high)


def test_a_value_that_is_not_finite_is_named_by_the_projected_search_too() -> None:
    points = torch.randn(60, 3000, generator=torch.Generator().manual_seed(0))
    points[7, 5] = torch.nan

    with pytest.raises(InputError, match="layer relu1: activation of stimulus 7, unit 5 is nan"):
        _measured(points, projected_features=100)
