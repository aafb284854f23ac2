import pytest
import torch

from pdtrain.activations.layers import Layer
from pdtrain.activations.recorder import LayerResponse
from pdtrain.probes import met_properties
from pdtrain.probes.information_probe import InformationProbe
from pdtrain.probes.met_properties import shared_met
from pdtrain.stimuli.stimulus_set import PropertyValues, StimulusSet


def test_properties_share_tables_as_long_as_they_have_about_as_many_bins() -> None:
    stimuli = torch.arange(400)
    codes = {name: (stimuli % bins)[:, None] for name, bins in (("a", 8), ("b", 5), ("class", 100), ("c", 8))}
    properties = {name: PropertyValues(of_one[:, 0], "discrete", None) for name, of_one in codes.items()}

    found = shared_met(properties, codes)

    assert [met.names for met in found] == [["a", "b"], ["class"], ["c"]]  # in their order
    assert [met.cut.stretches.shape[2] for met in found] == [8, 100, 8]
    assert torch.equal(torch.cat([met.cut.codes for met in found], 1), torch.cat(list(codes.values()), 1))
    assert shared_met({}, {}) == []


def test_rows_do_not_depend_on_which_properties_share_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(0)
    images, labels = torch.rand(800, 1, 6, 6, generator=generator), torch.arange(800) % 40
    stimuli = StimulusSet(images, labels, {"level": torch.arange(800) % 3})
    values = images[:, 0, 0, :4] + labels[:, None] / 40
    layer = Layer("relu1", "relu1", 1, 0.5, (4,), "activation")
    response = LayerResponse(layer, values, False, torch.arange(4), values, torch.device("cpu"))
    probe = InformationProbe(["luminance", "identity", "level"])

    apart = probe.measure([response], stimuli)
    monkeypatch.setattr(met_properties, "bins_of", lambda codes: 1)
    together = probe.measure([response], stimuli)

    for row, other in zip(apart.rows, together.rows, strict=True):
        assert (row.quantity, row.property, row.note) == (other.quantity, other.property, other.note)
        assert row.value == pytest.approx(other.value, nan_ok=True)
        assert row.half_differences == pytest.approx(other.half_differences, abs=1e-6)
    assert [unit[:5] for unit in apart.unit_rows] == [unit[:5] for unit in together.unit_rows]
