"""Messages name the key that the user's own data, stimuli and tables have, and no other."""

import re
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
import torch
from composing import chosen
from omegaconf import OmegaConf
from torch import nn

from pdtrain.commands.build import build_network, built
from pdtrain.commands.probe import probe
from pdtrain.errors import InputError
from pdtrain.probes.dimension_probe import DimensionProbe
from pdtrain.probes.information_probe import InformationProbe
from pdtrain.probes.object_probe import DiscriminabilityProbe
from pdtrain.stimuli.stimulus_set import StimulusSet
from pdtrain.training.data import ImageData, LabelledImages


def _keys_in(message: str) -> list[str]:
    return re.findall(r"\b(?:data|stimuli|probes)\.[\w.]*\w", message)


class _Data(ImageData):
    """Twelve grey images of 16 pixels."""

    def load(self) -> tuple[LabelledImages, LabelledImages]:
        images = torch.randint(256, (12, 1, 16, 16), dtype=torch.uint8)
        self.shape, self.num_classes = (1, 16, 16), 2
        part = LabelledImages(images, torch.arange(12) % 2, self.normalize)
        return part, part


@pytest.mark.parametrize(
    ("choice", "few", "key"),
    [
        ("held_out", {"count": 12}, "stimuli.count"),
        ("training", {"count": 12}, "stimuli.count"),
        ("objects", {"count": 12}, "stimuli.count"),
        ("transformed", {"objects": 3, "views": 4}, "stimuli.views"),
        ("objects_factorial", {"identities": 3, "levels": {"size": [0.6, 0.7]}}, "stimuli.levels"),
    ],
)
def test_too_few_stimuli_name_the_key_that_gives_their_number(choice: str, few: dict, key: str) -> None:
    config = chosen("stimuli", choice)
    config.stimuli.update(few)
    data = _Data()
    data.setup()
    shown = built(config.stimuli, data)

    for check, also in (
        (DimensionProbe().check, []),
        (InformationProbe(["luminance"]).check, ["probes.unit_information.bins"]),
    ):
        with pytest.raises(InputError) as caught:
            check(shown)

        assert str(caught.value).startswith(f"{key}: {len(shown)} stimuli, and ")
        assert _keys_in(str(caught.value)) == [key, *also]
        for named in [key, *also]:
            assert OmegaConf.select(config, named, default=None) is not None


def test_too_few_stimuli_of_neurons_name_the_table_of_responses(tmp_path: Path) -> None:
    names = [f"stimulus{index}" for index in range(12)]
    responses = pd.DataFrame({"neuron": range(6), "area": "V1"} | {name: range(6) for name in names})
    responses.to_csv(tmp_path / "responses.csv", index=False)
    table = pd.DataFrame({"stimulus": names, "identity": [0] * 6 + [1] * 6, "luminance": range(12)})
    table.to_csv(tmp_path / "stimuli.csv", index=False)
    config = chosen("probes", "default", entry="probe")
    config.responses, config.stimuli_table = f"{tmp_path}/responses.csv", f"{tmp_path}/stimuli.csv"
    config.out = f"{tmp_path}/out"

    for _ in range(2):
        with pytest.raises(InputError, match=r"^responses: 12 stimuli, and ") as caught:
            probe(config)
        config.probes.intrinsic_dimension = None  # the next one refuses them
        assert not any(key.startswith(("stimuli.", "data.")) for key in _keys_in(str(caught.value)))


def test_labels_that_leave_too_few_stimuli_name_it_too(caplog: pytest.LogCaptureFixture) -> None:
    blank = torch.zeros(40, 1, 1, 1)
    view = {"view": torch.arange(40) % 2.0}
    alike = StimulusSet(blank, torch.arange(40) % 2, view, number_key="responses")

    with pytest.raises(InputError, match=r"give more of them \(responses\)$"):
        DiscriminabilityProbe(held_out="view", folds=2).check(alike)
    many = StimulusSet(blank, torch.arange(40), number_key="responses")
    InformationProbe(["identity"], bins=2).check(many)
    assert "give at least 400 (responses)" in caplog.text and "stimuli.count" not in caplog.text


def wide(num_classes: int, channels: int) -> nn.Module:
    """A network for images of 64 pixels and more."""
    return nn.Conv2d(channels, num_classes, 64)


@pytest.mark.parametrize("choice", ["cifar10", "cifar100", "fashion_mnist", "imagefolder", "imagenet", "objects"])
def test_images_too_small_name_a_key_only_where_it_sets_their_size(choice: str) -> None:
    config = chosen("data", choice)
    config.model.network = {"_target_": f"{__name__}.wide"}
    data = SimpleNamespace(num_classes=2, shape=(3, 32, 32))

    with pytest.raises(InputError) as caught:
        build_network(config, data)

    if "pixels" in config.data:
        assert str(caught.value).startswith("data.pixels=32: the image is too small")
        assert "raise data.pixels, or choose model.network" in str(caught.value)
    else:
        assert str(caught.value).startswith("model.network: 32 x 32 pixels: the image is too small")
        assert _keys_in(str(caught.value)) == []
