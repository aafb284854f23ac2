from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pytest
import pytorch_lightning as lightning
import torch

from pdtrain.callbacks import (
    Discriminability,
    IntrinsicDimension,
    ObjectInformation,
    ProbeListener,
    Probing,
    Schedule,
    UnitInformation,
)
from pdtrain.probes.prober import Prober
from pdtrain.results.catalogue import Catalogue
from pdtrain.results.reader import load
from pdtrain.results.rows import ProbePoint, Row
from pdtrain.results.store import ResultsStore
from pdtrain.training.classifier import Classifier
from pdtrain.training.models import small_vgg
from pdtrain.training.objects_data import ObjectsData


def test_callbacks_serve_a_plain_lightning_trainer(tmp_path: Path) -> None:
    data = ObjectsData(root=str(tmp_path), training_images=64, validation_images=80, pixels=16)
    data.setup()
    classifier = Classifier(small_vgg(10, 1, widths=(4,), hidden=8), 10, optimizer=partial(torch.optim.SGD, lr=0.01))
    prober = Prober(data.held_out(80, seed=0), ResultsStore(tmp_path))
    callbacks = [
        IntrinsicDimension(["two_nn", "mle"], scales=1),
        UnitInformation(["luminance"], bins=4),
        ObjectInformation(bins=4),
        Discriminability(folds=2),
        Probing(prober, Schedule()),
    ]
    trainer = lightning.Trainer(
        max_epochs=1,
        accelerator="cpu",
        logger=False,
        callbacks=callbacks,
        enable_checkpointing=False,
        enable_progress_bar=False,
        default_root_dir=tmp_path,
    )

    trainer.fit(classifier, datamodule=data)

    rows = load(tmp_path)
    assert sorted(rows.epoch.unique()) == [0, 1]
    assert set(rows.probe) == {
        "intrinsic_dimension",
        "unit_information",
        "object_information",
        "discriminability",
        "activity",
        "index",
    }


class _Clumsy(ProbeListener):
    def on_probe(
        self, trainer: lightning.Trainer, point: ProbePoint, rows: Sequence[Row], catalogue: Catalogue
    ) -> None:
        raise ValueError("no ink")


def test_a_listener_that_fails_does_not_end_the_training(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    data = ObjectsData(root=str(tmp_path / "data"), training_images=60, validation_images=80, pixels=16)
    data.setup()
    classifier = Classifier(small_vgg(10, 1, widths=(4,), hidden=8), 10, optimizer=partial(torch.optim.SGD, lr=0.01))
    prober = Prober(data.held_out(80, seed=0), ResultsStore(tmp_path))
    callbacks = [IntrinsicDimension(), _Clumsy(), Probing(prober, Schedule())]
    options = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}

    trainer = lightning.Trainer(
        max_epochs=1, accelerator="cpu", callbacks=callbacks, default_root_dir=tmp_path, **options
    )  # fmt: skip
    trainer.fit(classifier, datamodule=data)

    assert sorted(load(tmp_path).epoch.unique()) == [0, 1]
    assert "_Clumsy failed after step 0: no ink" in caplog.text
