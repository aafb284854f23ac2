import pytest
import torch

from pdtrain.activations.layers import INPUT, Layer
from pdtrain.activations.recorder import LayerResponse
from pdtrain.probes import joined_layers
from pdtrain.probes.information_probe import InformationProbe
from pdtrain.probes.joined_layers import joined
from pdtrain.stimuli.objects import render_objects
from pdtrain.stimuli.stimulus_set import StimulusSet


def _response(name: str, units: int, stimuli: int = 10) -> LayerResponse:
    values = torch.randn(stimuli, units, generator=torch.Generator().manual_seed(units))
    layer = Layer(name, name, 1, 0.0, (units,), "other")
    return LayerResponse(layer, values, False, torch.arange(units), values, torch.device("cpu"))


def test_consecutive_layers_are_joined_up_to_so_many_values_and_the_input_by_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(joined_layers, "_MOST_VALUES", 70)
    responses = [_response(INPUT, 3), *(_response(f"layer{i}", units) for i, units in enumerate((3, 4, 2, 9, 1)))]

    groups = list(joined(responses))

    assert [(group.first, group.sizes) for group in groups] == [(0, [3]), (1, [3, 4]), (3, [2]), (4, [9]), (5, [1])]
    both = groups[1]
    assert both.places == [slice(0, 3), slice(3, 7)]
    assert torch.equal(both.unit_responses[:, 3:], responses[2].unit_responses)
    assert torch.equal(both.unit_codes(4)[:, :3], responses[1].unit_codes(4))


def test_layers_measured_together_have_the_rows_of_each_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    rendered = render_objects(170, identities=2, pixels=16)
    stimuli = StimulusSet(rendered.images, rendered.labels, rendered.parameters)
    responses = [_response(f"layer{i}", units, len(stimuli)) for i, units in enumerate((5, 3, 4))]
    responses[1].unit_responses[:, 1] = 0.0  # silent

    together = InformationProbe(["luminance", "identity"]).measure(responses, stimuli)
    monkeypatch.setattr(joined_layers, "_MOST_VALUES", 1)
    alone = InformationProbe(["luminance", "identity"]).measure(responses, stimuli)

    assert [(row.layer, row.quantity, row.property) for row in together.rows] == [
        (row.layer, row.quantity, row.property) for row in alone.rows
    ]
    for row, by_itself in zip(together.rows, alone.rows, strict=True):
        assert (row.value, row.n, row.note) == pytest.approx(
            (by_itself.value, by_itself.n, by_itself.note), nan_ok=True
        )
        assert row.half_differences == pytest.approx(by_itself.half_differences, abs=1e-6)
    for unit, by_itself in zip(together.unit_rows, alone.unit_rows, strict=True):
        assert tuple(unit) == pytest.approx(tuple(by_itself), nan_ok=True)
