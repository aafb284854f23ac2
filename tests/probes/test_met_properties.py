import torch

from pdtrain.probes.met_properties import shared_met
from pdtrain.stimuli.stimulus_set import PropertyValues


def test_properties_share_tables_as_long_as_they_have_about_as_many_bins() -> None:
    stimuli = torch.arange(400)
    codes = {name: (stimuli % bins)[:, None] for name, bins in (("a", 8), ("b", 5), ("class", 100), ("c", 8))}
    properties = {name: PropertyValues(of_one[:, 0], "discrete", None) for name, of_one in codes.items()}

    found = shared_met(properties, codes)

    assert [met.names for met in found] == [["a", "b"], ["class"], ["c"]]  # in their order
    assert [met.cut.stretches.shape[2] for met in found] == [8, 100, 8]
    assert torch.equal(torch.cat([met.cut.codes for met in found], 1), torch.cat(list(codes.values()), 1))
    assert shared_met({}, {}) == []
