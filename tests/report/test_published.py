"""Digitised values beside those of a run, marked as what they are."""

import re
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
import pytest
import yaml
from hydra import compose, initialize_config_module
from omegaconf import DictConfig, OmegaConf
from scipy.stats import pearsonr

from pdtrain.report.page import write_report
from pdtrain.report.profiles import profile
from pdtrain.report.published import published_networks, published_profiles
from pdtrain.results.configuration import save_configuration
from pdtrain.results.measures import DIMENSION
from pdtrain.results.rows import PRETRAINED, UNTRAINED, Row
from pdtrain.results.store import ResultsStore

_STIMULI = "pdtrain.stimuli.sources"
_LAYERS = ("input", "features.30", "classifier.1", "classifier.6")


def _rows() -> list[Row]:
    return [
        Row(name, i, i / 3, "intrinsic_dimension", "two_nn", "", 5.0 + i, stimuli="same")
        for i, name in enumerate(_LAYERS)
    ]


@pytest.fixture
def probed(configure: Callable[..., DictConfig], tmp_path: Path) -> Callable[[str], Path]:
    """The folder of rows of pretrained weights of a network of that name."""

    def make(name: str) -> Path:
        shown = ("stimuli=imagefolder", "stimuli.root=images")
        config = configure("model=torchvision", f"model.network.name={name}", *shown, tiny=[])
        save_configuration(tmp_path / name, OmegaConf.merge(OmegaConf.create({"untrained": True}), config))
        store = ResultsStore(tmp_path / name, probe_set="probe")
        for point in (UNTRAINED, PRETRAINED):
            store.write(point, _rows(), [])
        return tmp_path / name

    return make


def test_published_values_stand_in_the_report_of_a_network_of_that_name(probed: Callable[[str], Path]) -> None:
    page = write_report(probed("vgg16"), probe_set="probe").read_text()
    figure = (probed("vgg16") / "report" / "probe" / "dimension.svg").read_text()

    assert "Ansuini et al. 2019, Fig. 3A, digitised" in figure
    assert "Open markers on dotted lines are digitised" in page and "trained VGG-16, 500 images" in page
    other = write_report(probed("vgg11"), probe_set="probe").read_text()
    assert "digitised" not in other


def test_they_are_drawn_at_the_layers_they_are_of() -> None:
    rows = pd.DataFrame([vars(row) for row in _rows()]).assign(epoch=1, weights="pretrained")
    config = OmegaConf.create(
        {"model": {"network": {"name": "vgg16"}}, "stimuli": {"_target_": f"{_STIMULI}.image_folder"}}
    )

    figure = profile(rows, [DIMENSION], published=published_profiles(config, ["pretrained"]))

    (axes,) = figure.axes
    drawn = {line.get_label(): line for container in axes.containers for line in container.lines[:1]}
    labels = axes.get_legend_handles_labels()[1]
    assert "Ansuini et al. 2019, Fig. 3A, digitised" in labels
    open_ones = [line for line in drawn.values() if line.get_markerfacecolor() == "white"]
    assert [list(zip(*line.get_data(), strict=True)) for line in open_ones] == [
        [(0, 31.7), (1, 33.3), (2, 26.9), (3, 15.7)]
    ]
    plt.close(figure)


@pytest.mark.parametrize(
    ("given", "weights", "first"),
    [
        (("experiment=ansuini_dynamics",), "trained", [23.1, 23.1, 23.0]),
        (("experiment=ansuini_dynamics", "data.shuffled_labels=true"), "trained", []),
        (("experiment=ansuini_dynamics", "stimuli=objects"), "trained", []),
        (("experiment=ansuini_dynamics", "layers.reduce=mean"), "trained", []),
        (("model=vgg16",), "trained", []),
        (("experiment=ansuini_mnist",), "trained", [13.2]),
        (("experiment=ansuini_mnist", "data=fashion_mnist"), "trained", []),
        (("experiment=ansuini_mnist_gradient",), "trained", [3.0]),
        (("experiment=ansuini_mnist_shuffled",), "trained", [13.2]),
        (("experiment=ansuini_mnist_shuffled", "data.luminance_gradient=100"), "trained", []),
        (("experiment=ansuini_pretrained", "stimuli.root=images"), "pretrained", [31.7, 195.0, 193.0]),
        (("experiment=ansuini_pretrained", "stimuli.root=images", "layers.reduce=mean"), "pretrained", []),
        (("experiment=ansuini_pretrained", "stimuli.root=images", "state_dict=vgg.pth"), "pretrained", []),
        (("experiment=muratore",), "pretrained", []),
    ],
)
def test_they_stand_beside_runs_that_match_alone(given: tuple[str, ...], weights: str, first: list[float]) -> None:
    with initialize_config_module("pdtrain.conf", version_base="1.3"):
        config = compose("probe" if weights == "pretrained" else "train", list(given))

    assert [found.values[0] for found in published_profiles(config, ["untrained", weights])] == first


def test_the_file_is_whole() -> None:
    content = yaml.safe_load(files("pdtrain.report").joinpath("published.yaml").read_text())

    for entry in content["profiles"]:
        assert len(entry["layers"]) == len(entry["values"]), entry["what"]
        assert len(entry.get("standard_deviations", entry["values"])) == len(entry["values"])
        assert re.match(r"Ansuini et al\. 2019, ", entry["label"])
    label, networks = published_networks()
    assert label.endswith("Fig. 4")
    # the paper gives 0.94 over all and 0.99 over ResNets
    assert pearsonr([n.dimension for n in networks], [n.error for n in networks])[0] == pytest.approx(0.943, abs=0.001)
    residual = [n for n in networks if n.name.startswith("resnet")]
    assert pearsonr([n.dimension for n in residual], [n.error for n in residual])[0] == pytest.approx(0.995, abs=0.001)
