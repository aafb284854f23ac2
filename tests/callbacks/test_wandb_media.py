"""W&B as its users expect it, read back from real offline runs."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import wandb
from omegaconf import DictConfig

from pdtrain.callbacks import WandbMedia, wandb_media
from pdtrain.commands.train import train
from pdtrain.loggers.wandb_files import records
from pdtrain.loggers.wandb_logger import WandbLogger
from pdtrain.results.measures import Catalogue
from pdtrain.results.rows import ProbePoint


@pytest.fixture(scope="module")
def run_dir(configure_shared: Callable[..., DictConfig]) -> Path:
    drawn = ["callbacks.wandb_media.every_epochs=2", "callbacks.wandb_media.share_of_time=null"]
    options = ["logger.wandb.tags=[first,second]", "logger.wandb.notes=why", "logger.wandb.group=mine", "report=true"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WANDB_MODE", "offline")
        run_dir = train(configure_shared("logger=csv_wandb", *drawn, *options))
    wandb.teardown()  # W&B ends a run before all of it is on the disk
    return run_dir


def test_an_offline_run_is_complete(run_dir: Path) -> None:
    (file,) = run_dir.glob("wandb/offline-run-*/*.wandb")
    found = list(records(file))

    (run,) = [record.run for record in found if record.HasField("run")][:1]
    assert (run.run_group, run.job_type, run.notes, list(run.tags)) == ("mine", "train", "why", ["first", "second"])
    media: dict[str, list[float]] = {}
    for record in found:
        if record.HasField("history"):
            items = {"/".join(item.nested_key) or item.key: item.value_json for item in record.history.item}
            for key, value in items.items():
                if key.endswith("/_type"):
                    media.setdefault(json.loads(value), []).append(float(items["epoch"]))
                    assert key.startswith(("figures/", "units/"))
    assert set(media["image-file"]) == {0, 2}, "epochs 0 and 2, not 1"
    assert media["image-file"].count(2) == 3 and "histogram" in media
    assert list(file.parent.glob("files/media/images/figures/dimension_*.png"))
    artifacts = [record.request.log_artifact for record in found if record.HasField("request")]
    logged = [record.artifact for record in found if record.HasField("artifact")]
    names = [entry.path for artifact in logged for entry in artifact.manifest.contents]
    assert artifacts or logged
    assert {"report/report.html", "run.yaml", "results/epoch=0002-step=00000006.rows.parquet"} <= set(names)


def test_the_summary_sorts_runs_by_the_indices(run_dir: Path) -> None:
    (file,) = run_dir.glob("wandb/offline-run-*/*.wandb")

    last: dict[str, str] = {}
    for record in records(file):
        if record.HasField("history"):
            last |= {"/".join(item.nested_key) or item.key: item.value_json for item in record.history.item}
    # W&B's summary is the last value of each key
    assert {"index/expansion", "index/distillation", "val/accuracy"} <= last.keys()


class _Clock:
    """Time that passes only when it is told to."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now


class _Wandb(WandbLogger):
    """What would be sent."""

    def __init__(self) -> None:
        self.attached: list[object] = []
        self.lines: list[object] = []

    def attach(self, media: Mapping[str, Any]) -> None:
        self.attached.append(media)

    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        self.lines.append(metrics)


@pytest.mark.parametrize(("ends", "drawn", "lines"), [(30, [8, 22, 30], []), (100, [8, 22, 30], [{"epoch": 30.0}])])
def test_figures_wait_until_they_cost_a_small_share_of_the_time(
    ends: int, drawn: list[int], lines: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, logger, found = _Clock(), _Wandb(), []

    def draw(run_dir: str, catalogue: Catalogue) -> dict[str, object]:
        found.append(epoch)
        clock.now += 7.0  # seconds
        return {}

    monkeypatch.setattr(wandb_media, "time", clock)
    monkeypatch.setattr(wandb_media, "_media", draw)
    trainer = SimpleNamespace(
        loggers=[logger], max_epochs=ends, num_training_batches=1, default_root_dir="run", global_step=30
    )
    media = WandbMedia(every_epochs=1, share_of_time=0.02)
    media.on_train_start(trainer, None)
    for epoch in range(31):
        media.on_probe(trainer, ProbePoint(epoch, epoch), [], Catalogue())
        clock.now += 32.0
    media.on_train_end(trainer, None)

    assert found == drawn and len(logger.attached) == len(drawn) and logger.lines == lines
