"""W&B as its users expect it, read back from real offline runs."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import wandb
from omegaconf import DictConfig

from pdtrain.commands.train import train
from pdtrain.loggers.wandb_files import records


@pytest.fixture(scope="module")
def run_dir(configure_shared: Callable[..., DictConfig]) -> Path:
    options = ["logger.wandb.tags=[first,second]", "logger.wandb.notes=why", "logger.wandb.group=mine", "report=true"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WANDB_MODE", "offline")
        run_dir = train(configure_shared("logger=csv_wandb", "callbacks.wandb_media.every_epochs=2", *options))
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
