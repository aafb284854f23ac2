import pytest
import torch

from pdtrain.activations.layers import Layer
from pdtrain.activations.recorder import LayerResponse
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
    stimuli = StimulusSet(images, images, torch.zeros(100, dtype=torch.long))
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
