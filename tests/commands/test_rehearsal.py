"""trainer.fast_dev_run: everything once, and nothing left."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as lightning
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig

from pdtrain.callbacks import TrainingAccuracy
from pdtrain.commands import rehearsal
from pdtrain.commands.train import main, train
from pdtrain.errors import RunError
from pdtrain.report import page

Configure = Callable[..., DictConfig]
_SMALL = [
    "data.training_images=160", "data.validation_images=100", "data.pixels=16", "stimuli.count=100",
    "data.batch_size=16", "model.network.widths=[4]", "model.network.hidden=8", "probes.unit_information=null",
    "probes.object_information=null", "layers.names=[relu1,output]", "trainer.enable_progress_bar=false",
]  # fmt: skip


class Seen(lightning.Callback):
    """Counts what happens."""

    happened: dict[str, int]

    def __init__(self) -> None:
        type(self).happened = {"trained": 0, "validated": 0, "saved": 0, "logged": 0}

    def on_train_batch_end(self, *args: Any) -> None:
        self.happened["trained"] += 1

    def on_validation_batch_end(self, *args: Any) -> None:
        self.happened["validated"] += 1

    def on_save_checkpoint(self, *args: Any) -> None:
        self.happened["saved"] += 1

    def on_train_end(self, trainer: lightning.Trainer, *args: Any) -> None:
        self.happened["logged"] = len(trainer.loggers)


def test_everything_happens_and_nothing_is_left(
    undrawn: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    evaluated = []
    whole = TrainingAccuracy.__init__
    monkeypatch.setattr(
        TrainingAccuracy, "__init__", lambda self, **given: (evaluated.append(given), whole(self, **given))[1]
    )
    given = ["trainer.fast_dev_run=2", "logger=csv_wandb", f"+callbacks.seen._target_={__name__}.Seen", "resume=auto"]
    always = ["callbacks.training_accuracy.when=always", "hydra.run.dir=runs/mine"]
    monkeypatch.setattr(sys, "argv", ["pdtrain-train", *_SMALL, *given, *always])
    GlobalHydra.instance().clear()

    main()

    said = (
        "trainer.fast_dev_run=2: 2 batches of training and of validation, 2 probe points, checkpoints and report went"
    )
    assert capsys.readouterr().out.splitlines()[-1].startswith(said)
    # a validation part of 100 images is one batch; checkpoints: two probed, the best, and two to go on from
    assert Seen.happened["trained"] == 2 and Seen.happened["validated"] == 1 and Seen.happened["saved"] >= 4
    assert Seen.happened["logged"] == 2 and evaluated == [{"when": "always", "batches": 2}]
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_a_report_that_fails_fails_the_rehearsal(configure: Configure, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any, **options: Any) -> None:
        raise ValueError("no ink")

    monkeypatch.setattr(page, "write_report", fail)
    with pytest.raises(RunError, match="no report: ValueError: no ink"):
        train(configure(*_SMALL[5:], "trainer.fast_dev_run=true", "report=true"))


def test_what_is_not_asked_for_is_left_as_it_is(configure: Configure) -> None:
    config = configure()
    before = config.copy()

    with rehearsal.rehearsed(config, rehearsal.Console()):
        assert config == before
