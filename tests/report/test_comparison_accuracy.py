"""Dimension of the last hidden layer against the error, over networks."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from hydra import compose, initialize_config_module
from omegaconf import OmegaConf, open_dict

from pdtrain.report.comparison import write_comparison
from pdtrain.report.comparison_accuracy import PUBLISHED_ERROR, VALIDATION_ERROR, against_error
from pdtrain.results.configuration import save_configuration
from pdtrain.results.rows import PRETRAINED, UNTRAINED, ProbePoint, Row
from pdtrain.results.settings import settings_of
from pdtrain.results.store import ResultsStore

_NETWORKS = {"resnet18": (0.9, 30.0), "resnet34": (0.92, 25.0), "vgg16": (0.95, 16.0), "resnet50": (0.93, 21.0)}


def _rows(dimension: float) -> list[Row]:
    layers = [("input", 0.0, 20.0), ("hidden", 0.5, dimension), ("output", 1.0, 5.0)]
    return [
        Row(name, i, depth, "intrinsic_dimension", "two_nn", "", value) for i, (name, depth, value) in enumerate(layers)
    ]


def _probed(folder: Path, name: str, *, pixels: int = 224, weights: str = "DEFAULT", **changes: object) -> Path:
    accuracy, dimension = _NETWORKS[name]
    shown = {"pixels": 299 if name == "vgg16" else 224, "mean": [0.5]}
    published = {"accuracy_of_five": accuracy, "weights": f"torchvision's {name}", "preprocessing": shown}
    given = [
        "model=torchvision",
        f"model.network.name={name}",
        f"out={folder / name}",
        f"model.network.weights={weights}",
    ]
    with initialize_config_module("pdtrain.conf", version_base="1.3"):
        config = compose("probe", given)
    with open_dict(config):
        config.update({"data": None, "published": published, "paths": {"run_dir": ""}, **changes})
        config.preprocessing = shown | ({"pixels": pixels} if pixels != 224 else {})
    save_configuration(folder / name, config)
    store = ResultsStore(folder / name, probe_set="probe")
    for point in (UNTRAINED, PRETRAINED):
        store.write(point, _rows(dimension), [])
    return folder / name


def test_networks_differ_in_their_names_alone_and_correlate(tmp_path: Path) -> None:
    runs = [str(_probed(tmp_path / "nets", name)) for name in _NETWORKS]

    page = write_comparison([tmp_path / "nets"], tmp_path / "out", probe_set="probe").read_text()

    assert set(settings_of(runs).setting_of.values()) == {f"model.network.name={name}" for name in _NETWORKS}
    table = pd.read_csv(tmp_path / "out" / "accuracy.csv").set_index("setting")
    assert table.loc["model.network.name=vgg16", "error"] == pytest.approx(5.0)
    assert table.loc["model.network.name=vgg16", "dimension"] == 16.0 and set(table.error_of) == {PUBLISHED_ERROR}
    r = table["error"].corr(table["dimension"])
    assert f"{PUBLISHED_ERROR}: Pearson r = {r:.2f}, n = 4 networks." in page
    figure = (tmp_path / "out" / "comparison_accuracy.svg").read_text()
    assert "Ansuini et al. 2019, Fig. 4, digitised" in figure and "resnet152" in figure
    assert "Indices over epochs" not in page, "they have none"


def test_what_the_user_gave_is_a_setting(tmp_path: Path) -> None:
    runs = [str(_probed(tmp_path / "one", "resnet18")), str(_probed(tmp_path / "other", "resnet18", pixels=64))]

    assert [setting.rpartition(", ")[2] for setting in settings_of(runs).setting_of.values()] == [
        "preprocessing.pixels=None",
        "preprocessing.pixels=64",
    ]


@pytest.mark.parametrize("changes", [{"state_dict": "weights.pth"}, {"published": None}, {"weights": "file.pth"}])
def test_the_error_of_weights_of_a_file_is_not_known(changes: dict, tmp_path: Path) -> None:
    for name in ("resnet18", "resnet34", "vgg16"):
        _probed(tmp_path / "nets", name, **(changes if name == "vgg16" else {}))

    page = write_comparison([tmp_path / "nets"], tmp_path / "out", probe_set="probe").read_text()

    table = pd.read_csv(tmp_path / "out" / "accuracy.csv")
    assert sorted(table.setting.str.extract(r"name=(\w+)")[0]) == ["resnet18", "resnet34"]
    assert "2 networks, too few for a correlation" in page and "Pearson" not in page


@pytest.mark.parametrize(
    ("depths", "probed"),
    [
        ((0.0, 1 / 16, 1.0), False),
        ((0.0, 1 / 16, 11 / 16, 1.0), False),
        ((0.0, 1 / 16, 15 / 16, 1.0), True),
        ((0.0, 1 / 51, 49 / 51, 1.0), True),  # two heads
        ((0.0, 1 / 4, 3 / 4, 1.0), True),
        ((0.0, 1 / 2, 1.0), True),
    ],
)
def test_a_network_whose_last_hidden_layer_was_not_probed_is_left_out(depths: tuple, probed: bool) -> None:
    rows = [Row(f"{i}", i, depth, "intrinsic_dimension", "two_nn", "", 9.0) for i, depth in enumerate(depths)]
    table = pd.DataFrame([vars(row) for row in rows]).assign(run="a", setting="s", weights="pretrained")
    network = {"name": "vgg16", "weights": "DEFAULT"}
    config = OmegaConf.create({"published": {"accuracy_of_five": 0.9}, "model": {"network": network}})

    found = against_error(table, {"a": config})

    assert found[["error", "dimension"]].round(6).values.tolist() == ([[10.0, 9.0]] if probed else [])
    config.published.accuracy_of_five = float("nan")
    assert against_error(table, {"a": config}).empty, "of weights without a last layer it is not known"


def test_trained_networks_have_their_validation_error(tmp_path: Path, configure: Callable) -> None:
    for widths, seed, accuracy in [(4, 0, 0.5), (4, 1, 0.7), (8, 0, 0.9)]:
        run = tmp_path / "sweep" / f"{widths}-{seed}"
        save_configuration(run, configure(f"model.network.widths=[{widths}]", f"seed={seed}", tiny=[]))
        ResultsStore(run).write(ProbePoint(1, 5), _rows(10.0 * widths + seed), [])
        (run / "csv").mkdir()
        (run / "csv" / "metrics.csv").write_text(f"step,val/accuracy\n1,0.1\n5,{accuracy}\n")

    write_comparison([tmp_path / "sweep"], tmp_path / "out")

    table = pd.read_csv(tmp_path / "out" / "accuracy.csv")
    assert list(table.error_of.unique()) == [VALIDATION_ERROR]
    assert table[["error", "dimension", "runs"]].round(6).values.tolist() == [[40.0, 40.5, 2], [10.0, 80.0, 1]]
    assert "digitised" not in (tmp_path / "out" / "comparison_accuracy.svg").read_text()
