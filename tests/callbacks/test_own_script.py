"""Probing in a script of one's own: modules of any shape, any stimuli, any logger, and a folder that nobody named."""

from argparse import Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import pytorch_lightning as lightning
import torch
from pytorch_lightning.loggers import CSVLogger
from pytorch_lightning.loggers.logger import Logger
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy
from torch.utils.data import DataLoader, TensorDataset

from pdtrain.activations.recorder import LayerResponse
from pdtrain.callbacks import IntrinsicDimension, ProbeCallback, Probing, Schedule, UnitInformation
from pdtrain.errors import InputError
from pdtrain.probes.rows import layer_row
from pdtrain.results import load, load_metrics
from pdtrain.results.measures import Measure
from pdtrain.results.rows import Measurement
from pdtrain.stimuli.given import stimuli_of
from pdtrain.stimuli.stimulus_set import StimulusSet

_COUNT = 100
# the modules here are not validated where that is not what is tested
pytestmark = pytest.mark.filterwarnings("ignore:You defined a `validation_step` but have no `val_dataloader`")


def _pixels() -> Tensor:
    """Noise of 8 pixels, every second image bright."""
    noise = torch.rand(_COUNT, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    return 0.5 * noise + 0.5 * (torch.arange(_COUNT) % 2)[:, None, None, None]


def _encoder() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(256, 8), nn.ReLU())


class _Heads(lightning.LightningModule):
    """Two heads on one trunk, given by name."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk, self.bright, self.reconstructed = _encoder(), nn.Linear(8, 2), nn.Linear(8, 64)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        code = self.trunk(images)
        return {"bright": self.bright(code), "reconstructed": self.reconstructed(code)}

    def training_step(self, batch: Sequence[Tensor]) -> Tensor:
        images, labels = batch
        found = self(images)
        return cross_entropy(found["bright"], labels) + (found["reconstructed"] - images.flatten(1)).square().mean()

    def validation_step(self, batch: Sequence[Tensor]) -> None:
        images, labels = batch
        self.log("val/accuracy", (self(images)["bright"].argmax(1) == labels).float().mean())

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.05)


class _Restless(lightning.LightningModule):
    """Self-supervised, without labels or a forward of its own; its encoder draws, counts and fills a queue always."""

    def __init__(self) -> None:
        super().__init__()
        self.network = "an encoder"  # which is no network
        self.encoder = _Drawing()

    def training_step(self, batch: Sequence[Tensor]) -> Tensor:
        (images,) = batch
        return (self.encoder(images) - self.encoder(images.flip(-1))).square().mean() + torch.rand(()) * 0

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.05)


class _Drawing(nn.Module):
    queue: Tensor
    shown: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.inner = _encoder()
        self.register_buffer("shown", torch.zeros(()))
        self.register_buffer("queue", torch.zeros(4))

    def forward(self, images: Tensor) -> Tensor:
        self.shown += len(images)
        self.queue = torch.cat([self.queue[1:], images.mean()[None]])
        return self.inner(images + 0.01 * torch.randn_like(images))


class _Gan(lightning.LightningModule):
    """Two optimisers by hand: two steps of them for every batch."""

    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.generator = nn.Sequential(nn.Linear(4, 64), nn.Sigmoid(), nn.Unflatten(1, (1, 8, 8)))
        self.judge = nn.Sequential(_encoder(), nn.Linear(8, 1))

    def training_step(self, batch: Sequence[Tensor]) -> None:
        images, _ = batch
        of_generator, of_judge = self.optimizers()
        made = self.generator(torch.randn(len(images), 4))
        judged = torch.cat([self.judge(images), self.judge(made.detach())])
        truth = torch.cat([torch.ones(len(images), 1), torch.zeros(len(images), 1)])
        for optimizer, loss in (
            (of_judge, lambda: binary_cross_entropy_with_logits(judged, truth)),
            (of_generator, lambda: -self.judge(made).mean()),
        ):
            optimizer.zero_grad()
            self.manual_backward(loss())
            optimizer.step()

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        return [torch.optim.SGD(part.parameters(), lr=0.05) for part in (self.generator, self.judge)]


def _trainer(folder: Path, *callbacks: lightning.Callback, epochs: int = 1, **options: Any) -> lightning.Trainer:
    lightning.seed_everything(0, verbose=False)
    usual: dict[str, Any] = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    usual |= {"enable_model_summary": False, "accelerator": "cpu", "default_root_dir": folder}
    return lightning.Trainer(max_epochs=epochs, callbacks=list(callbacks), **(usual | options))


def _labelled() -> DataLoader:
    return DataLoader(TensorDataset(_pixels(), torch.arange(_COUNT) % 2), 25)


def test_of_several_heads_the_network_is_what_a_function_returns_and_metrics_are_read_beside(tmp_path: Path) -> None:
    dataset = TensorDataset(_pixels(), torch.arange(_COUNT) % 2)
    probing = Probing(dataset, network=lambda module: nn.Sequential(module.trunk, module.bright), layers=["*"])
    information = UnitInformation(["luminance", "identity"], bins=4)
    trainer = _trainer(tmp_path, IntrinsicDimension(), information, probing, epochs=2, logger=CSVLogger(tmp_path))

    trainer.fit(_Heads(), _labelled(), _labelled())

    assert probing.folder == Path(trainer.log_dir or "")
    rows = load(probing.folder, metrics=["val/accuracy"])
    assert set(rows[rows.quantity == "two_nn"].layer) >= {"input", "0.1", "0.4", "1"}
    told = rows[(rows.quantity == "mean") & (rows.property == "identity") & (rows.layer == "1") & (rows.epoch == 2)]
    assert told.value.item() > 0.5, "bright or dark is a bit"
    logged = load_metrics(probing.folder)
    assert logged.epoch.tolist() == [1, 2] and logged["val/accuracy"].notna().all()
    by_epoch = rows.groupby("epoch")["val/accuracy"].agg(lambda values: values.iloc[0])
    assert by_epoch.isna().tolist() == [True, False, False]
    assert by_epoch.loc[[1, 2]].tolist() == logged["val/accuracy"].tolist()
    with pytest.raises(InputError, match=r"metrics=val/acuracy: no such logged metric; did you mean val/accuracy\?"):
        load(probing.folder, metrics=["val/acuracy"])


def test_probing_leaves_buffers_and_random_streams_of_a_restless_module(tmp_path: Path) -> None:
    def trained(*callbacks: lightning.Callback) -> dict[str, Tensor]:
        trainer = _trainer(tmp_path, *callbacks)
        module = _Restless()
        trainer.fit(module, DataLoader(TensorDataset(_pixels()), 25, shuffle=True))
        return module.state_dict()

    probing = Probing(stimuli_of(_pixels()), Schedule(log_spaced_steps=1), network="encoder")
    probed, bare = trained(IntrinsicDimension(), UnitInformation(["luminance"], bins=4), probing), trained()

    assert all(torch.equal(value, probed[name]) for name, value in bare.items())
    assert probing.folder == tmp_path / "probed" / "version_0"
    rows = load(probing.folder)
    assert sorted(rows.step.unique()) == [0, 1, 2, 4]
    fixed = rows[(rows.quantity == "mean_at_fixed_identity") & (rows.layer != "input")]
    assert fixed.value.isna().all() and fixed.note.str.contains("without labels").all()


def test_the_judge_of_a_gan_is_probed_at_its_steps(tmp_path: Path) -> None:
    module = _Gan()
    stimuli = stimuli_of(_pixels(), properties={"tilt": torch.arange(_COUNT) * 1.8}, circular={"tilt": 180})
    probing = Probing(stimuli, Schedule(every_epochs=None, log_spaced_steps=3), network=module.judge)
    trainer = _trainer(tmp_path, UnitInformation(["tilt"], bins=4), probing)

    trainer.fit(module, _labelled())

    assert sorted(load(probing.folder).step.unique()) == [0, 4, 6, 8], "3 lies between 2 and 4, and 8 is the last"


SHARE = Measure(probe="share", quantity="positive", unit="share of answers", heading="positive", figure="positive")


class _ShareProbe:
    name, measures, needs_fields = SHARE.probe, (SHARE,), False

    def check(self, stimuli: StimulusSet) -> None:
        pass

    def measure(self, responses: Sequence[LayerResponse], stimuli: StimulusSet) -> Measurement:
        rows = [
            layer_row(SHARE, response.layer, index, float((response.unit_responses > 0).float().mean()))
            for index, response in enumerate(responses)
        ]
        return Measurement(rows, []).made_by("share 1")


class _Share(ProbeCallback):
    def __init__(self) -> None:
        super().__init__(_ShareProbe())


class _Heard(Logger):
    """A logger that is none of Lightning's."""

    def __init__(self) -> None:
        self.heard: list[tuple[int | None, dict[str, float]]] = []

    name = "heard"
    version = 0

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        self.heard.append((step, dict(metrics)))

    def log_hyperparams(self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any) -> None:
        pass


def test_a_callback_of_ones_own_is_logged_by_any_logger(tmp_path: Path) -> None:
    probing, heard = Probing(_pixels(), network="trunk", folder=tmp_path / "mine"), _Heard()
    loggers = [CSVLogger(tmp_path), heard]

    trainer = _trainer(tmp_path, _Share(), probing, logger=loggers)
    trainer.fit(_Heads(), _labelled())

    rows = load(tmp_path / "mine")
    of_share = rows[rows.probe == "share"].set_index(["step", "layer"]).value
    points = {step: metrics for step, metrics in heard.heard if "share/1/positive" in metrics}
    assert {step: metrics["share/1/positive"] for step, metrics in points.items()} == {
        step: of_share[step, "1"] for step in (0, 4)
    }
    kept = pd.read_csv(Path(loggers[0].log_dir) / "metrics.csv")
    assert kept["share/1/positive"].dropna().tolist() == pytest.approx([of_share[0, "1"], of_share[4, "1"]])


def test_a_training_goes_on_in_its_folder(tmp_path: Path) -> None:
    def trained(epochs: int, checkpoint: Path | None) -> lightning.Trainer:
        probing = Probing(_pixels(), network="trunk", folder=tmp_path / "mine", probes=[_ShareProbe()])
        trainer = _trainer(tmp_path, probing, epochs=epochs)
        trainer.fit(_Heads(), _labelled(), ckpt_path=checkpoint)
        return trainer

    trained(1, None).save_checkpoint(tmp_path / "first.ckpt")
    trained(2, tmp_path / "first.ckpt")

    assert load(tmp_path / "mine").drop_duplicates("step")[["epoch", "step"]].to_numpy().tolist() == [
        [0, 0], [1, 4], [2, 8]
    ]  # fmt: skip


def test_results_of_two_trainings_are_not_mixed(tmp_path: Path) -> None:
    probing = Probing(_pixels(), Schedule(every_epochs=None), network="trunk", probes=[_ShareProbe()])
    for version in (0, 1):
        _trainer(tmp_path, probing, limit_train_batches=1).fit(_Heads(), _labelled())
        assert probing.folder == tmp_path / "probed" / f"version_{version}"
    taken = tmp_path / "probed" / "version_1"

    def begin(*callbacks: lightning.Callback) -> None:
        _trainer(tmp_path, *callbacks).fit(_Heads(), _labelled())

    with pytest.raises(InputError, match=r"^folder=.*version_1: .*results holds results of another training; name"):
        begin(Probing(_pixels(), network="trunk", probes=[_ShareProbe()], folder=taken))
    both = [Probing(_pixels(), probes=[_ShareProbe()], network="trunk", folder=tmp_path / "new") for _ in range(2)]
    with pytest.raises(InputError, match=r"^folder=.*new: two Probing callbacks would write there; give one probe_set"):
        begin(*both)


def test_a_probe_that_nothing_runs_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^IntrinsicDimension: measures nothing by itself; add Probing\(stimuli\)"):
        _trainer(tmp_path, IntrinsicDimension()).fit(_Heads(), _labelled())


def test_an_option_that_is_none_is_named_where_it_is_given() -> None:
    with pytest.raises(InputError, match=r"^callbacks\.probing=layer: .* did you mean layers\? the nearest"):
        Probing(_pixels(), layer=["*"])
    with pytest.raises(InputError, match=r"^callbacks\.probing=store: no such argument of Probing"):
        Probing(_pixels(), store=None)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"network": nn.Linear(2, 2)}, r"network: Linear: shares no weights with _Restless, and would not be trained"),
        ({"network": lambda module: module.training}, r"network: what the function returned: bool is no torch"),
        ({}, r"network: _Restless does not take images of 1 x 8 x 8 alone \(NotImplementedError: .*\); name a part"),
        ({"network": "encoder", "probes": []}, r"^callbacks\.probing: nothing to measure; add IntrinsicDimension\(\)"),
    ],
)
def test_what_cannot_be_probed_is_one_line_before_training(
    tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    probing = Probing(_pixels(), **({"probes": [_ShareProbe()]} | options))

    with pytest.raises(InputError, match=message) as refused:
        _trainer(tmp_path, probing).fit(_Restless(), DataLoader(TensorDataset(_pixels()), 25))

    assert "\n" not in str(refused.value) and not list(tmp_path.rglob("*.parquet"))
