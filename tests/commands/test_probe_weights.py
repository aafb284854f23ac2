from pathlib import Path

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_module
from omegaconf import OmegaConf

from pdtrain.commands.probe import probe
from pdtrain.commands.report import report
from pdtrain.errors import InputError
from pdtrain.results.reader import load
from pdtrain.results.status import write_status
from pdtrain.training.models import small_vgg, torchvision_model

_TINY = (
    "stimuli=objects", "stimuli.count=120",
    "preprocessing.pixels=40", "layers.names=[input,features.3,features.8,features.12,classifier.3]",
    "layers.max_units=16", "probes.intrinsic_dimension.resamplings=2",
    "probes.unit_information.properties=[luminance,contrast]",
    "probes.object_information=null", "probes.index_property=luminance",
)  # fmt: skip


_NETWORK = ("model=torchvision", "model.network.name=squeezenet1_1")


def _probe(*overrides: str, model: tuple[str, ...] = _NETWORK) -> list[Path]:
    given = [*model, *_TINY, *overrides]
    with initialize_config_module("pdtrain.conf", version_base="1.3"):
        config = compose("probe", given)
    return probe(config, given)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state dict with 37 outputs."""
    torch.manual_seed(5)
    path = tmp_path_factory.mktemp("weights") / "squeezenet.pth"
    torch.save(torchvision_model(37, 3, name="squeezenet1_1").state_dict(), path)
    return path


@pytest.fixture(scope="module")
def probed(weights: Path) -> Path:
    """The folder of these weights and their untrained twin."""
    out = weights.parent / "probed"
    _probe(f"state_dict={weights}", f"out={out}")
    return out


def test_weights_are_probed_beside_their_untrained_twin_without_a_data_set(probed: Path, weights: Path) -> None:
    rows = load(probed, probe_set="probe", keys=["state_dict", "preprocessing.resize_to"])

    assert dict(zip(rows.epoch, rows.weights, strict=True)) == {0: "untrained", 1: "pretrained"}
    assert set(rows.state_dict) == {str(weights)} and set(rows["preprocessing.resize_to"]) == {46}
    values = rows[rows.quantity == "two_nn"].pivot(index="layer", columns="weights", values="value")
    assert values.loc["input", "untrained"] == values.loc["input", "pretrained"], "the same stimuli"
    hidden = values.drop("input")
    assert (hidden.untrained != hidden.pretrained).all(), "and other weights"
    assert {"active_pruning", "expansion"} <= set(rows.quantity)
    config = OmegaConf.load(probed / "run.yaml")
    assert config.data is None and list(config.preprocessing.mean) == [0.485, 0.456, 0.406]


def test_the_untrained_twin_is_what_training_begins_with(probed: Path) -> None:
    """As of the seed, and so another than of another seed."""
    out = probed.parent / "again"
    torch.manual_seed(0)
    torch.save(torchvision_model(37, 3, name="squeezenet1_1").state_dict(), probed.parent / "of_seed_0.pth")

    _probe(f"state_dict={probed.parent}/of_seed_0.pth", f"out={out}", "untrained=false")

    twin, same = (load(folder, probe_set="probe") for folder in (probed, out))
    twin, same = (rows[(rows.quantity == "two_nn")].set_index("layer").value for rows in (twin[twin.epoch == 0], same))
    np.testing.assert_allclose(twin, same.loc[twin.index], rtol=1e-6)
    assert set(load(out, probe_set="probe").epoch) == {1}


def test_points_that_are_there_are_not_measured_again(probed: Path, weights: Path) -> None:
    assert _probe(f"state_dict={weights}", f"out={probed}") == []
    for given, key in (
        ("preprocessing.pixels=48", "preprocessing.pixels=40, now 48"),
        ("untrained=shuffled", "untrained="),
    ):
        with pytest.raises(InputError, match=rf"out=.*: holds rows of other weights \({key}"):
            _probe(f"state_dict={weights}", f"out={probed}", "probe_set=again", given)


def test_other_weights_in_the_same_file_are_not_taken_for_those_of_before(weights: Path, tmp_path: Path) -> None:
    state = torch.load(weights, weights_only=True)
    torch.save(state, tmp_path / "weights.pth")
    given = (f"state_dict={tmp_path}/weights.pth", f"out={tmp_path}/out", "untrained=false")
    _probe(*given)

    state["features.0.weight"][0, 0, 0, 0] += 1
    torch.save(state, tmp_path / "weights.pth")

    with pytest.raises(InputError, match=r"holds rows of other weights \(fingerprint="):
        _probe(*given)


def test_a_data_set_says_how_its_images_are_shown(weights: Path, tmp_path: Path) -> None:
    of_data = ("data=objects", "data.pixels=32", "data.training_images=10", "data.validation_images=40")
    given = (f"state_dict={weights}", f"out={tmp_path}/out", f"paths.data={tmp_path}", *of_data)

    with pytest.raises(
        InputError, match=r"preprocessing.pixels: the data set says how its images are shown; give data"
    ):
        _probe(*given)


def test_permuted_weights_are_another_control(weights: Path, tmp_path: Path) -> None:
    _probe(f"state_dict={weights}", f"out={tmp_path}/out", "untrained=shuffled")

    rows = load(tmp_path / "out", probe_set="probe")
    assert dict(zip(rows.epoch, rows.weights, strict=True)) == {0: "shuffled", 1: "pretrained"}


def test_the_report_names_what_was_probed(probed: Path) -> None:
    page = report(
        OmegaConf.create({"run_dir": str(probed), "probe_set": None, "out": None, "by": None, "claims": False})
    )

    text = page.read_text()
    assert page.parent == probed / "report" / "probe"
    assert "Indices, pretrained" in text and "Intrinsic dimension pretrained:" in text
    assert 'id="paths"' not in text and 'id="heat_maps"' not in text, "it has no epochs"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["state_dict={weights}"], "out: give out="),
        (["state_dict={weights}", "out={out}", "untrained=no_such"], "untrained=no_such: choose true, false or shuff"),
        (["state_dict={weights}", "out={out}", "stimuli=held_out"], "held_out: .*data="),
        (
            ["state_dict={weights}", "out={out}", "model.network.num_classes=10"],
            r"state_dict=.*fits but for its last layer, classifier.1, which has 37 outputs there and 10 here; "
            r"model.network.num_classes=37 keeps it",
        ),
        (["state_dict={weights}", "out={out}", "model.network.name=alexnet"], "made by another architecture"),
        (["state_dict={weights}", "out={out}", "match=size"], "match=size: choose name or order"),
        (
            ["state_dict={weights}", "out={out}", "model.network.name=googlenet"],
            r"model.network.transform_input: googlenet may normalize images itself",
        ),
        (["out={out}"], "run_dir: give run_dir=.*model.network.weights="),
    ],
)
def test_what_cannot_be_probed_is_refused_in_one_line(
    given: list[str], message: str, weights: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=message):
        _probe(*(text.format(weights=weights, out=tmp_path / "out") for text in given))
    assert not (tmp_path / "out").exists()


def test_how_images_are_shown_must_be_known(tmp_path: Path) -> None:
    torch.save(small_vgg(4, 3).state_dict(), tmp_path / "weights.pth")
    given = [f"state_dict={tmp_path}/weights.pth", f"out={tmp_path}/out", "layers.names=[input,relu*,output]"]

    with pytest.raises(InputError, match=r"preprocessing.mean: how images are shown to this network is not known"):
        _probe(*given, model=("model=small_vgg",))
    shown = ["preprocessing.mean=[0.5]", "preprocessing.standard_deviation=[0.25]"]
    torch.save(small_vgg(4, 1).state_dict(), tmp_path / "weights.pth")
    _probe(*given, *shown, model=("model=small_vgg",))

    assert set(load(tmp_path / "out", probe_set="probe").weights) == {"untrained", "pretrained"}


def test_a_form_for_small_images_has_no_weights_of_its_publisher(tmp_path: Path) -> None:
    network = ("model=resnet18", "model.network.weights=DEFAULT")  # its form for about 32 pixels

    with pytest.raises(InputError, match=r"small_images=true: the first layer of resnet18 is then not that of its"):
        _probe(f"out={tmp_path}/out", model=network)
    torch.save(torchvision_model(4, 3, name="resnet18", small_images=True).state_dict(), tmp_path / "weights.pth")
    with pytest.raises(InputError, match=r"preprocessing.mean: how images are shown to this network is not known"):
        _probe(f"state_dict={tmp_path}/weights.pth", f"out={tmp_path}/out", model=("model=resnet18",))


def test_a_folder_of_a_training_is_not_written_to(weights: Path, tmp_path: Path) -> None:
    write_status(tmp_path, "finished")

    with pytest.raises(InputError, match=r"out=.*: holds a run that was trained; name another folder"):
        _probe(f"state_dict={weights}", f"out={tmp_path}")
