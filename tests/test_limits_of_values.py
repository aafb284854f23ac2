"""What a value can be is what those take who are built from it."""

from pathlib import Path

import pytest
from omegaconf import OmegaConf

from pdtrain.activations.recipes import RECIPES
from pdtrain.commands import configuration_check
from pdtrain.errors import InputError
from pdtrain.estimators.corrections import CORRECTIONS
from pdtrain.estimators.dimension import ALIASES, ESTIMATORS
from pdtrain.limits import LIMITS, check_value
from pdtrain.stimuli import property_names
from pdtrain.stimuli.properties import PROPERTIES


@pytest.mark.parametrize(
    ("key", "known"),
    [
        ("layers.recipe", [*RECIPES]),
        ("probes.unit_information.correction", [*CORRECTIONS]),
        ("probes.intrinsic_dimension.estimators", [*ESTIMATORS, *ALIASES]),
    ],
)
def test_names_are_those_that_there_are(key: str, known: list[str]) -> None:
    assert list(LIMITS[key].names) == known  # type: ignore[union-attr]


def test_properties_are_those_that_there_are() -> None:
    assert [*property_names.OF_IMAGES] == [*PROPERTIES]
    assert [*property_names.LOCAL] == [name for name, known in PROPERTIES.items() if known.local]


def test_names_of_another_package_are_left_to_it() -> None:
    check_value("probes.intrinsic_dimension.estimators", ["two_nn", "skdim.lPCA"])


@pytest.mark.parametrize("key", LIMITS)
def test_null_is_left_to_those_who_take_it(key: str) -> None:
    check_value(key, None)


def test_what_others_build_takes_what_it_likes() -> None:
    ours = {"stimuli": {"_target_": "pdtrain.stimuli.sources.training", "labels": "both"}}
    theirs = {"stimuli": {"_target_": "mine.images", "labels": "both"}}
    refers = {"stimuli": {"_target_": "pdtrain.stimuli.sources.training", "labels": "${mine.labels}"}}

    for given in (theirs, refers):
        configuration_check._compare(given, given, "")
    with pytest.raises(InputError, match=r"^stimuli\.labels=both: choose trained or true"):
        configuration_check._compare(ours, ours, "")


@pytest.mark.parametrize("given", ["true", "false", "auto", "1", "maybe"])
def test_a_switch_with_a_third_way_takes_all_three(given: str) -> None:
    value = OmegaConf.to_container(OmegaConf.from_dotlist([f"channels_last={given}"]))
    if given in ("true", "false", "auto"):
        configuration_check._compare(value, {"channels_last": "auto"}, "")
    else:
        with pytest.raises(InputError, match=f"^channels_last={given}: "):
            configuration_check._compare(value, {"channels_last": "auto"}, "")


def test_a_folder_of_stimuli_is_there(tmp_path: Path) -> None:
    check_value("stimuli.root", str(tmp_path))
    with pytest.raises(InputError, match=r"nowhere: missing, or not to be read; give a folder of images"):
        check_value("stimuli.root", str(tmp_path / "nowhere"))
