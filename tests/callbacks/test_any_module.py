"""The named callbacks in a plain Lightning script: a module, data and stimuli of the user's own."""

import importlib.util
import json
import re
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pytest
import pytorch_lightning as lightning
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset

from pdtrain.activations.layers import trace_layers
from pdtrain.activations.recipes import select_layers
from pdtrain.callbacks import IntrinsicDimension, Probing, Schedule, UnitInformation
from pdtrain.errors import InputError
from pdtrain.probes.object_probe import DiscriminabilityProbe
from pdtrain.probes.prober import Prober
from pdtrain.report.page import write_report
from pdtrain.results import load, load_metrics
from pdtrain.results.store import ResultsStore
from pdtrain.stimuli.stimulus_set import StimulusSet

_COUNT, _SCRIPT = 100, Path(__file__).parents[2] / "examples" / "plain_lightning.py"


def _layers() -> list[nn.Module]:
    return [nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(256, 8), nn.ReLU()]


class _Mine(lightning.LightningModule):
    """What all modules here share; `forward` is theirs."""

    def training_step(self, batch: Sequence[Tensor]) -> Tensor:
        images, labels = batch
        return cross_entropy(self(images), labels)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


class _WithBackbone(_Mine):
    def __init__(self) -> None:
        super().__init__()
        self.backbone, self.head, self.rate = nn.Sequential(*_layers()), nn.Linear(8, 2), 0.1

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.backbone(images))


class _WithDeepBackbone(_Mine):
    def __init__(self) -> None:
        super().__init__()
        self.model = nn.ModuleDict({"backbone": nn.Sequential(*_layers()), "head": nn.Linear(8, 2)})

    def forward(self, images: Tensor) -> Tensor:
        return self.model["head"](self.model["backbone"](images))


class _IsTheNetwork(_Mine):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.relu, self.flatten, self.hidden, self.last = _layers()
        self.output = nn.Linear(8, 2)

    def forward(self, images: Tensor) -> Tensor:
        return self.output(self.last(self.hidden(self.flatten(self.relu(self.conv(images))))))


def _images() -> tuple[Tensor, Tensor]:
    """Bright and dark images of 8 pixels."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(_COUNT) % 2
    pixels = 0.5 * torch.rand(_COUNT, 1, 8, 8, generator=generator) + 0.5 * labels[:, None, None, None]
    return pixels, labels


def _fit(module: lightning.LightningModule, folder: Path, network: str | None) -> pd.DataFrame:
    lightning.seed_everything(0, verbose=False)
    pixels, labels = _images()
    prober = Prober(StimulusSet(pixels, labels, normalize=lambda shown: 2 * shown - 1), ResultsStore(folder))
    probing = Probing(prober, Schedule(), probes=[DiscriminabilityProbe(folds=2)], network=network)
    information = UnitInformation(["luminance", "luminance@receptive_field", "identity"], bins=4)
    trainer = lightning.Trainer(
        max_epochs=1, accelerator="cpu", callbacks=[IntrinsicDimension(), information, probing], logger=False,
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False, default_root_dir=folder,
    )  # fmt: skip
    trainer.fit(module, DataLoader(TensorDataset(2 * pixels - 1, labels), batch_size=25))
    return load(folder)


@pytest.mark.parametrize(
    ("kind", "network", "layers"),
    [
        (_WithBackbone, "backbone", {"input", "1", "4"}),
        (_WithDeepBackbone, "model.backbone", {"input", "1", "4"}),
        (_IsTheNetwork, None, {"input", "relu", "last", "output"}),
    ],
)
def test_a_network_is_probed_wherever_it_is(
    tmp_path: Path, kind: type[_Mine], network: str | None, layers: set[str]
) -> None:
    rows = _fit(kind(), tmp_path, network)

    assert sorted(rows.epoch.unique()) == [0, 1]
    assert set(rows.probe) >= {"intrinsic_dimension", "unit_information", "discriminability", "index"}
    assert set(rows[rows.probe == "intrinsic_dimension"].layer) == layers
    of_units = rows[(rows.probe == "unit_information") & (rows.quantity == "mean") & (rows.layer != "input")]
    assert set(of_units.property) == {"luminance", "luminance@receptive_field", "identity"}
    last = of_units[of_units.epoch == 1].groupby("property").value.max()
    assert (last > 0.1).all(), "of bright and dark images every unit that answers tells"
    two_nn = rows[(rows.quantity == "two_nn") & (rows.layer != "input")]
    before, after = (two_nn[two_nn.epoch == epoch].value.to_numpy() for epoch in (0, 1))
    assert (before != after).any(), "the network that is trained is the one that is probed"


def test_probing_leaves_a_module_of_ones_own_as_it_was(tmp_path: Path) -> None:
    probed, bare = _IsTheNetwork(), _IsTheNetwork()
    bare.load_state_dict(probed.state_dict())
    pixels, labels = _images()

    _fit(probed, tmp_path, None)
    lightning.seed_everything(0, verbose=False)
    trainer = lightning.Trainer(
        max_epochs=1, accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, default_root_dir=tmp_path,
    )  # fmt: skip
    trainer.fit(bare, DataLoader(TensorDataset(2 * pixels - 1, labels), batch_size=25))

    assert all(torch.equal(value, bare.state_dict()[name]) for name, value in probed.state_dict().items())
    assert not any(module._forward_hooks for module in probed.modules())


@pytest.mark.parametrize(
    ("network", "message"),
    [
        ("encoder", r"callbacks\.probing\.network=encoder: _WithBackbone has none"),
        ("backbone.encoder", r"callbacks\.probing\.network=backbone\.encoder: _WithBackbone has none"),
        ("rate", r"callbacks\.probing\.network=rate: float is no torch\.nn\.Module"),
    ],
)
def test_a_wrong_attribute_is_named_before_training(tmp_path: Path, network: str, message: str) -> None:
    with pytest.raises(InputError, match=f"^{message}") as refused:
        _fit(_WithBackbone(), tmp_path, network)

    assert "\n" not in str(refused.value) and not list(tmp_path.rglob("*.parquet"))


@pytest.mark.filterwarnings("ignore:.*does not have many workers", "ignore:You defined a .*validation_step")
@pytest.mark.usefixtures("undrawn")
def test_the_script_of_the_documentation_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    specification = importlib.util.spec_from_file_location("plain_lightning", _SCRIPT)
    assert specification is not None and specification.loader is not None
    script = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(script)

    script.main(epochs=1)

    page = (_SCRIPT.parents[1] / "docs" / "own-script.md").read_text()
    (named,) = re.findall(r"layers=(\[.*?\])", page)
    layers = trace_layers(script.MyModule().encoder, torch.zeros(1, 1, 8, 8))
    assert [layer.name for layer in select_layers(layers, json.loads(named))] == json.loads(named)
    shown = capsys.readouterr().out
    (folder,) = re.findall(r"pdtrain-report run_dir=(.*)", shown)
    assert {"two_nn", "mean"} <= set(load(folder).quantity) and re.search(r"^1\.0+ +7 ", shown, re.M)
    assert 0.1 < load_metrics(folder)["val/accuracy"].item() < 1
    assert {"id/4/two_nn", "info/7/identity/mean"} <= set(pd.read_csv(Path(folder) / "metrics.csv").columns)
    assert write_report(folder).is_file()
