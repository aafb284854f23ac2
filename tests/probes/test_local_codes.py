import pytest
import torch

from pdtrain.estimators.conditional_information import codes_within
from pdtrain.estimators.discretization import property_codes, stretches
from pdtrain.probes import local_codes
from pdtrain.probes.local_codes import LocalCodes
from pdtrain.stimuli.properties import PROPERTIES, Property
from pdtrain.stimuli.receptive_field import ReceptiveFields, local_luminance
from pdtrain.stimuli.stimulus_set import StimulusSet

_LOCAL = [f"{name}@receptive_field" for name, known in PROPERTIES.items() if known.local]


@pytest.fixture
def stimuli() -> StimulusSet:
    pixels = torch.randint(256, (80, 3, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    return StimulusSet(pixels, torch.arange(80) % 2)


def _fields(*, seed: int) -> ReceptiveFields:
    """Some of which several units share, the whole image among them."""
    generator = torch.Generator().manual_seed(seed)
    top, left = torch.randint(0, 8, (2, 5), generator=generator)
    corners = torch.stack([top, top + 8, left, left + 8], 1)
    return ReceptiveFields(*torch.cat([corners, corners[:2], torch.tensor([[0, 16, 0, 16]])]).unbind(1))


_LAYERS = [_fields(seed=seed) for seed in (0, 1, 0, 2)]


@pytest.mark.parametrize("most_values", [2**23, 1000, 1], ids=["at once", "in groups", "by layer"])
def test_codes_of_all_layers_are_those_of_each_by_itself(
    stimuli: StimulusSet, monkeypatch: pytest.MonkeyPatch, most_values: int
) -> None:
    monkeypatch.setattr(local_codes, "_MOST_VALUES", most_values)
    monkeypatch.setattr(local_codes, "_PORTION_BYTES", 7 * 4 * 3 * 256)

    found = list(LocalCodes(8).of(_LAYERS, _LOCAL, stimuli, within=True))

    assert len(found) == len(_LAYERS)
    for fields, codes in zip(_LAYERS, found, strict=True):
        for name in _LOCAL:
            known = PROPERTIES[name.partition("@")[0]]
            values = known.local(stimuli.pixels / 255, fields)
            kind = {"kind": known.kind, "period": known.period}
            overall, within = codes[name].overall, codes[name].within
            assert torch.equal(overall.codes, property_codes(values, **kind))
            assert torch.equal(within.codes, codes_within(values, stimuli.labels, **kind))
            for cut, labels in ((overall, None), (within, stimuli.labels)):
                cut_from = values if known.kind == "continuous" else cut.codes.float()
                assert torch.equal(cut.stretches, stretches(cut_from, cut.codes, cut.stretches.shape[2], labels))


@pytest.mark.parametrize(("kept_bytes", "points"), [(2**20, 1), (10, 2)], ids=["kept", "beyond the budget"])
def test_what_fields_show_is_measured_once_for_all_layers_and_points(
    stimuli: StimulusSet, monkeypatch: pytest.MonkeyPatch, kept_bytes: int, points: int
) -> None:
    measured: list[int] = []

    def counted(images: torch.Tensor, fields: ReceptiveFields) -> torch.Tensor:
        measured.append(len(fields.top))
        return local_luminance(images, fields)

    monkeypatch.setattr(local_codes, "_KEPT_BYTES", kept_bytes)
    monkeypatch.setitem(PROPERTIES, "counted", Property(whole=lambda images: images[:, 0, 0, 0], local=counted))
    codes = LocalCodes(8)

    for _ in range(2):
        list(codes.of(_LAYERS, ["counted@receptive_field"], stimuli, within=False))

    corners = torch.cat([torch.stack([f.top, f.bottom, f.left, f.right], 1) for f in _LAYERS])
    assert measured == [len(corners.unique(dim=0))] * points


def test_more_bins_than_a_byte_holds_are_kept() -> None:
    # shared values, each a bin of its own, and what lies between two of them another
    luminance = torch.tensor(
        [v / 100 + (0.1 + i / 100) / 100 * (i > 0) for v in range(66) for i in [0] * 22 + [*range(1, 12)]]
    )
    stimuli = StimulusSet(
        luminance[:, None, None, None].expand(-1, 1, 4, 4).contiguous(), torch.zeros(len(luminance)).long()
    )
    fields = ReceptiveFields(*torch.tensor([[0], [4], [0], [4]]))

    ((codes,),) = (found.values() for found in LocalCodes(100).of([fields], _LOCAL[:1], stimuli, within=False))

    assert _LOCAL[0] == "luminance@receptive_field" and int(codes.overall.codes.max()) > 128
    assert torch.equal(codes.overall.codes, property_codes(local_luminance(stimuli.pixels, fields), bins=100))
