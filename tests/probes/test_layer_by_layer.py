from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from pdtrain.activations.layers import INPUT, Layer
from pdtrain.activations.recorder import LayerResponse
from pdtrain.probes.dimension_probe import DimensionProbe
from pdtrain.probes.information_probe import InformationProbe
from pdtrain.probes.layer_by_layer import LayerByLayer
from pdtrain.results.rows import Measurement
from pdtrain.stimuli.objects import render_objects
from pdtrain.stimuli.stimulus_set import StimulusSet


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def _stimuli(count: int = 170) -> StimulusSet:
    rendered = render_objects(count, identities=2, pixels=16)
    return StimulusSet(rendered.images, rendered.labels, rendered.parameters)


def _response(name: str, values: Tensor) -> LayerResponse:
    units = values.shape[1]
    layer = Layer(name, INPUT if name == INPUT else name, 1, 0.0, (units,), "other")
    return LayerResponse(layer, values, False, torch.arange(units), values, torch.device("cpu"))


def test_layers_side_by_side_give_the_rows_of_one_after_another_in_their_order(two_threads: None) -> None:
    stimuli, generator = _stimuli(), torch.Generator().manual_seed(0)
    responses = [_response(f"layer{i}", torch.randn(len(stimuli), 5, generator=generator)) for i in range(7)]
    probes = [InformationProbe(["luminance", "identity"]), DimensionProbe()]

    together = [probe.measure(responses, stimuli) for probe in probes]
    assert torch.get_num_threads() == 2
    torch.set_num_threads(1)
    one_by_one = [probe.measure(responses, stimuli) for probe in probes]

    for found, alone in zip(together, one_by_one, strict=True):
        assert [row.layer for row in found.rows] == [row.layer for row in alone.rows]
        assert repr(found) == repr(alone)  # NaN equals NaN


def test_an_error_in_one_layer_is_raised_and_threads_are_as_before(two_threads: None) -> None:
    stimuli = _stimuli()

    def fail() -> Measurement:
        raise ValueError("no such thing")

    tasks = [(_response(f"layer{i}", torch.zeros(len(stimuli), 1)), fail) for i in range(9)]
    with pytest.raises(ValueError, match="no such thing"):
        LayerByLayer().measure(stimuli, tasks)
    assert torch.get_num_threads() == 2


def test_the_input_is_measured_again_only_for_other_stimuli_or_units() -> None:
    stimuli, other = _stimuli(), _stimuli(180)
    layers, calls = LayerByLayer(), []
    same = _response(INPUT, torch.zeros(len(stimuli), 3))
    less = replace(same, units=torch.tensor([0, 2, 3]))

    def measured(response: LayerResponse, of: StimulusSet) -> int:
        def task() -> Measurement:
            calls.append(response)
            return Measurement([], [])

        layers.measure(of, [(response, task)])
        return len(calls)

    assert [measured(same, stimuli), measured(same, stimuli), measured(less, stimuli), measured(less, other)] == [
        1,
        1,
        2,
        3,
    ]
    hidden = _response("relu1", torch.zeros(len(stimuli), 3))
    assert [measured(hidden, stimuli), measured(hidden, stimuli)] == [4, 5]
