"""Sweeps over unlike networks, where patterns choose the layers."""

import subprocess
import sys
from pathlib import Path

import pytest
from hydra import compose, initialize_config_module
from hydra.core.global_hydra import GlobalHydra
from omegaconf import OmegaConf

from pdtrain.commands import train
from pdtrain.commands.probe import probe
from pdtrain.errors import NothingMatches
from pdtrain.results.reader import load
from pdtrain.results.settings import settings_of

_TINY = [
    "data.training_images=64", "data.validation_images=80", "data.pixels=28", "stimuli.count=80", "report=false",
    "trainer.max_epochs=1", "probes.unit_information=null", "probes.object_information=null",
    "+trainer.enable_progress_bar=false",
]  # fmt: skip


def _run(command: str, folder: Path, *overrides: str) -> subprocess.CompletedProcess[str]:
    given = [sys.executable, "-m", f"pdtrain.commands.{command}", "-m", *overrides, f"paths.data={folder}/data"]
    done = subprocess.run(given, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return done


def _left_out(done: subprocess.CompletedProcess[str]) -> list[str]:
    return [line for line in done.stderr.splitlines() if "is left out" in line]


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """A sweep of two networks by two choices of layers, of which one network has no layer; and what was said of it."""
    folder = tmp_path_factory.mktemp("swept")
    given = ["model=small_vgg,mnist_cnn", "layers.names=[input,pool3*],[relu1]", "hydra.sweep.dir=sweep"]
    return folder / "sweep", _left_out(_run("train", folder, *_TINY, *given))


def test_a_network_without_the_layers_is_named_once_and_the_others_are_trained(swept: tuple[Path, list[str]]) -> None:
    sweep, said = swept

    assert len(said) == 1 and said[0].startswith(
        "pdtrain-train: job 2 (mnist_cnn) is left out: layers.names=pool3*: no such layer; "
    )
    assert sorted(path.name for path in sweep.iterdir() if path.is_dir()) == ["0", "1", "3"]
    rows = load(sweep, keys=["model", "experiment", "model.network.widths"])
    layers = rows[rows.layer != ""].groupby(["run", "model"]).layer.unique().map(list).to_dict()
    assert layers == {
        ("0", "small_vgg"): ["input", "pool3"], ("1", "small_vgg"): ["relu1"], ("3", "mnist_cnn"): ["relu1"]
    }  # fmt: skip
    assert rows.experiment.isna().all() and rows.groupby("run")["model.network.widths"].first().isna().tolist() == [
        False, False, True
    ]  # fmt: skip


def test_settings_of_a_sweep_are_called_by_what_was_chosen(swept: tuple[Path, list[str]]) -> None:
    runs = [str(swept[0] / job) for job in ("0", "1", "3")]

    assert list(settings_of(runs).setting_of.values()) == [
        "small_vgg, layers.names=['input', 'pool3*']", "small_vgg, layers.names=['relu1']",
        "mnist_cnn, layers.names=['relu1']",
    ]  # fmt: skip
    assert set(settings_of(runs, "model").setting_of.values()) == {"small_vgg", "mnist_cnn"}
    assert OmegaConf.load(swept[0] / "0" / "run.yaml").choices.optimizer == "adamw"


def test_probing_a_sweep_passes_over_networks_without_the_layers(
    swept: tuple[Path, list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    sweep, _ = swept

    def probed(pattern: str) -> list[Path]:
        given = [f"run_dir={sweep}", "probe_set=pools", f"layers.names=[{pattern}]", f"paths.data={sweep.parent}/data"]
        with initialize_config_module("pdtrain.conf", version_base="1.3"):
            return probe(compose("probe", given), given)

    written = probed("pool3*")

    assert {path.parents[2].name for path in written} == {"0", "1"}
    said = [line for line in capsys.readouterr().out.splitlines() if "left out" in line]
    assert len(said) == 1 and said[0].startswith(f"{sweep / '3'} is left out: layers.names=pool3*: no such layer; ")
    with pytest.raises(NothingMatches, match=r"layers\.names=nothing\*: no such layer"):
        probed("nothing*")


def test_a_sweep_of_probings_passes_over_them_too(swept: tuple[Path, list[str]]) -> None:
    sweep, _ = swept

    done = _run("probe", sweep.parent, "run_dir=sweep/1,sweep/3", "layers.names=[pool3*]", "probe_set=swept")

    assert len(_left_out(done)) == 1 and _left_out(done)[0].startswith("pdtrain-probe: job 1 ")
    assert [run for run in ("1", "3") if list((sweep / run / "results" / "swept").glob("*.parquet"))] == ["1"]


def test_where_no_network_has_the_layers_the_sweep_ends_with_one_line_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    given = ["seed=1,2", "layers.names=[nothing*]", "hydra.sweep.dir=swept", f"paths.data={tmp_path}/data"]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["pdtrain-train", "-m", *_TINY, *given])
    GlobalHydra.instance().clear()

    with pytest.raises(SystemExit) as ended:
        train.main()

    said = [line for line in capfd.readouterr().err.splitlines() if "nothing*" in line]
    assert ended.value.code == 2 and len(said) == 3, "one for each job, and the last"
    assert said[-1].startswith("pdtrain-train: layers.names=nothing*: no such layer; the nearest of ")
    assert not (tmp_path / "swept").exists()
