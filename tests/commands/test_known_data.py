"""What a configuration alone says of data and stimuli is what they turn out to be."""

import sys
from pathlib import Path
from typing import Any

import pytest
import torchvision
from hydra import compose, initialize_config_module
from omegaconf import OmegaConf

from pdtrain.commands.build import built
from pdtrain.commands.fitting_keys import check_fitting
from pdtrain.commands.known_data import channels_of, classes_of, parameters_of
from pdtrain.data_sets import DATA_SETS
from pdtrain.errors import InputError

_SMALL = ["data.pixels=16", "data.training_images=40", "data.validation_images=30", "data.identities=3"]


def _config(tmp_path: Path, *given: str) -> Any:
    with initialize_config_module("pdtrain.conf", version_base="1.3"):
        return compose("train", [f"paths.data={tmp_path}", *given])


def _plain(config: Any) -> Any:
    return OmegaConf.to_container(config, resolve=False)


@pytest.mark.parametrize(
    "stimuli",
    [
        ["stimuli=held_out", "stimuli.count=20"],
        ["stimuli=training", "stimuli.count=20", "data.luminance_gradient=0.5"],
        ["stimuli=objects", "stimuli.count=20"],
        ["stimuli=objects_factorial", "stimuli.levels={size: [0.5, 0.7]}", "stimuli.identities=2"],
        ["stimuli=transformed", "stimuli.objects=6", "stimuli.views=2"],
    ],
)
def test_parameters_of_stimuli_are_known_before_they_are_made(stimuli: list[str], tmp_path: Path) -> None:
    config = _config(tmp_path, *_SMALL, *stimuli)
    data = built(config.data)
    data.setup()

    made = built(config.stimuli, data)

    known = parameters_of(_plain(config.data), _plain(config.stimuli))
    assert known is not None and {*known} - {"class"} == {*made.parameters} - {"class"}
    assert (channels_of(_plain(config.data)), classes_of(_plain(config.data))) == (data.shape[0], data.num_classes)


@pytest.mark.parametrize("name", ["MNIST", "FashionMNIST"])
def test_data_sets_have_the_classes_that_torchvision_lists(name: str) -> None:
    assert DATA_SETS[name].classes == len(getattr(torchvision.datasets, name).classes)


def test_of_data_and_stimuli_of_ones_own_nothing_is_known() -> None:
    data = {"_target_": "mine.Data", "name": "MNIST", "identities": 3}

    assert (channels_of(data), classes_of(data)) == (None, None)
    assert parameters_of(data, {"_target_": "pdtrain.stimuli.sources.held_out"}) is None
    assert parameters_of({}, {"_target_": "mine.stimuli"}) is None


def test_a_property_of_ones_own_is_left_to_the_probe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = _plain(_config(tmp_path, "probes.unit_information.properties=[redness]"))

    check_fitting(given)  # its table is there
    monkeypatch.delitem(sys.modules, "pdtrain.stimuli.properties", raising=False)

    with pytest.raises(InputError, match=r"^probes\.unit_information\.properties=redness: no such property"):
        check_fitting(given)
    given["model"]["network"]["_target_"] = "mine.network"
    check_fitting(given)


@pytest.mark.parametrize(
    "given",
    [
        ["data=cifar10", "data.mean=[0.5,0.4,0.3]", "data.standard_deviation=0.2"],
        ["data=mnist", "data.mean=[0.5]", "model.network.num_classes=20"],
        ["data=mnist", "data.mean=${seed}"],
        ["data.transformations.position=${data.luminance_gradient}", "data.transformations.size=[0.5,0.5]"],
        ["probes.index_property=luminance_gradient", "data.luminance_gradient=0.5", "data=mnist"],
        ["stimuli=transformed", "probes.unit_information.properties=[class,background_luminance,contrast]"],
    ],
)
def test_what_fits_goes_through(given: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "pdtrain.stimuli.properties", raising=False)

    check_fitting(_plain(_config(tmp_path, *given)))
