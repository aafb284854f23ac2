import hashlib
import subprocess
import sys

import pytest
import torch

from pdtrain.errors import InputError
from pdtrain.stimuli import stimulus_set
from pdtrain.stimuli.normalization import Normalization
from pdtrain.stimuli.properties import PROPERTIES, Property
from pdtrain.stimuli.stimulus_set import StimulusSet


def _bytes(count: int = 7) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(256, (count, 3, 12, 12), dtype=torch.uint8, generator=generator)


@pytest.fixture
def portions_of_two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stimulus_set, "_PORTION_BYTES", 2 * 4 * 3 * 12 * 12)


@pytest.mark.parametrize("kept", [_bytes(), _bytes().float() / 255], ids=["bytes", "intensities"])
def test_the_fingerprint_is_that_of_all_intensities(kept: torch.Tensor, portions_of_two: None) -> None:
    labels = torch.arange(7)
    digest = hashlib.sha256((_bytes().float() / 255).numpy().tobytes() + labels.numpy().tobytes()).hexdigest()

    assert StimulusSet(kept, labels).fingerprint == digest[:16]
    assert StimulusSet(kept.flip(0), labels).fingerprint != digest[:16]


def test_only_what_is_asked_for_is_normalized() -> None:
    shown: list[int] = []

    def normalize(pixels: torch.Tensor) -> torch.Tensor:
        shown.append(len(pixels))
        return Normalization(0.5, 0.25)(pixels)

    images = StimulusSet(_bytes(), torch.arange(7), normalize=normalize).images

    torch.testing.assert_close(images[2:4], (_bytes()[2:4] / 255 - 0.5) / 0.25)
    assert len(images) == 7 and images.shape == (7, 3, 12, 12) and shown == [2]


@pytest.mark.parametrize("name", PROPERTIES)
def test_properties_in_portions_are_those_of_all_stimuli_at_once(name: str, portions_of_two: None) -> None:
    found = StimulusSet(_bytes(), torch.arange(7)).values(name)

    torch.testing.assert_close(found, PROPERTIES[name].whole(_bytes() / 255), equal_nan=True)


def test_a_property_is_measured_once(monkeypatch: pytest.MonkeyPatch, portions_of_two: None) -> None:
    measured: list[int] = []

    def counted(images: torch.Tensor) -> torch.Tensor:
        measured.append(len(images))
        return images.mean((1, 2, 3))

    monkeypatch.setitem(PROPERTIES, "counted", Property(whole=counted))
    stimuli = StimulusSet(_bytes(), torch.arange(7))

    assert torch.equal(stimuli.values("counted"), stimuli.values("counted"))
    assert measured == [2, 2, 2, 1]


@pytest.mark.parametrize(
    ("values", "kept"),
    [
        ([2**24 + i for i in range(7)], torch.int64),
        ([1.0 + 1e-12 * i for i in range(7)], torch.float64),
        ([0, 1, 0, 0.5, 0, 1, 2], torch.float32),  # whole numbers in the first portion alone
        ([0.0, 1.0, float("nan"), 0.5, 0, 1, 2], torch.float32),
    ],
)
def test_values_of_a_property_are_kept_as_they_are_given(
    monkeypatch: pytest.MonkeyPatch, portions_of_two: None, values: list[float], kept: torch.dtype
) -> None:
    left = list(values)

    def given(images: torch.Tensor) -> torch.Tensor:
        portion = [left.pop(0) for _ in images]
        return torch.tensor(portion, dtype=torch.float64 if kept is torch.float64 else None)

    monkeypatch.setitem(PROPERTIES, "given", Property(whole=given))

    found = StimulusSet(_bytes(), torch.arange(7)).property("given").values

    torch.testing.assert_close(found, torch.tensor(values, dtype=kept), rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize("shape", [(), (1,), (2, 1)])
def test_a_property_that_gives_no_value_per_image_is_refused(
    monkeypatch: pytest.MonkeyPatch, portions_of_two: None, shape: tuple[int, ...]
) -> None:
    monkeypatch.setitem(PROPERTIES, "mean", Property(whole=lambda images: images.mean().expand(shape)))

    with pytest.raises(InputError, match=r'PROPERTIES\["mean"\].whole: it gave shape .* of 2 images; give a value per'):
        StimulusSet(_bytes(), torch.arange(7)).property("mean")


_MEMORY = """
import resource, torch
from pdtrain.stimuli.stimulus_set import StimulusSet
stimuli = StimulusSet(torch.empty(3000, 3, 224, 224, dtype=torch.uint8), torch.arange(3000), {})
for portion in stimuli.pixels.split(100):
    portion.random_(256, generator=torch.Generator().manual_seed(0))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
stimuli.values("luminance")
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_properties_are_measured_within_the_memory_of_a_few_portions() -> None:
    """Each portion takes that of the one before."""
    output = subprocess.run([sys.executable, "-c", _MEMORY], stdout=subprocess.PIPE, text=True, check=True).stdout

    assert int(output) < 256 * 1024  # KiB
