"""W&B as its users expect it, read back from real offline runs."""

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
import wandb
from omegaconf import DictConfig

from pdtrain.callbacks import WandbMedia, wandb_media
from pdtrain.commands.train import train
from pdtrain.loggers.wandb_files import records
from pdtrain.loggers.wandb_logger import WandbLogger
from pdtrain.results import load
from pdtrain.results.catalogue import Catalogue
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
                    assert re.match(r"figures/|depth/|table/|info_\w+(@\w+)?_units/", key), key
    assert set(media["image-file"]) == {0, 2}, "epochs 0 and 2, not 1"
    assert media["image-file"].count(2) == 3 and "histogram" in media
    assert list(file.parent.glob("files/media/images/figures/dimension_*.png"))
    assert media["table-file"].count(1) == 1 + 4, "of every point: the rows, and the charts' numbers"
    artifacts = [record.request.log_artifact for record in found if record.HasField("request")]
    logged = [record.artifact for record in found if record.HasField("artifact")]
    names = [entry.path for artifact in logged for entry in artifact.manifest.contents]
    assert artifacts or logged
    assert {"report/report.html", "run.yaml", "results/epoch=0002-step=00000006.rows.parquet"} <= set(names)


def _history(run_dir: Path) -> list[dict[str, Any]]:
    """Lines at W&B, values that are numbers as such."""
    (file,) = run_dir.glob("wandb/offline-run-*/*.wandb")
    return [
        {"/".join(item.nested_key) or item.key: json.loads(item.value_json) for item in record.history.item}
        for record in records(file)
        if record.HasField("history")
    ]


def _table(run_dir: Path, line: Mapping[str, Any], key: str) -> pd.DataFrame:
    (folder,) = run_dir.glob("wandb/offline-run-*/files")
    content = json.loads((folder / line[f"{key}/path"]).read_text())
    return pd.DataFrame(content["data"], columns=content["columns"])


def test_curves_are_the_headline_set_in_sections_that_can_be_read(run_dir: Path) -> None:
    history = _history(run_dir)

    curves = {key for line in history for key, value in line.items() if isinstance(value, int | float)}
    curves = {key for key in curves if not key.startswith("_") and "_type" not in key and key.count("/") == 1}
    few = ("luminance@receptive_field", "identity", "luminance")
    of_layers = {
        f"{section}/{layer}"
        for layer in load(run_dir).query("layer != ''").layer.unique()
        for section in ("id", *(f"info_{name}" for name in few))
    }
    others = {
        *(f"index/{name}" for name in ("expansion", "peak_depth", "distillation", "active_pruning", "contraction")),
        *(f"train/{name}" for name in ("loss", "loss_epoch", "accuracy", "learning_rate", "gradient_norm")),
        *("val/loss", "val/accuracy", "time/epoch", "time/probe", "trainer/global_step"),
    }
    assert curves <= of_layers | others, "nothing else"
    # not each can be estimated in so small a run
    assert others - curves <= {"index/contraction", "index/active_pruning", "index/distillation"}
    assert {name for name in of_layers if name.startswith("id/")} <= curves
    # W&B sorts sections by name: what came out, then the training
    sections = sorted({key.partition("/")[0] for line in history for key in line if "/" in key} - {"trainer"})
    assert [name for name in sections if not name.startswith("info_")] == [
        "depth", "figures", "id", "index", "table", "time", "train", "val",
    ]  # fmt: skip


def test_all_rows_of_a_point_are_in_its_table(run_dir: Path) -> None:
    tables = [_table(run_dir, line, "table/rows") for line in _history(run_dir) if "table/rows/path" in line]

    rows, keys = load(run_dir), ["epoch", "layer", "probe", "quantity", "property"]
    assert [table.epoch.unique().tolist() for table in tables] == [[0], [1], [2]]
    together = pd.concat(tables).set_index(keys).sort_index()
    pd.testing.assert_series_equal(together.value, rows.set_index(keys).sort_index().value, check_dtype=False)
    logged = pd.read_csv(run_dir / "csv" / "metrics.csv")
    known = together[together.value.notna()]
    assert set(known.key) <= set(logged.columns), "under the keys of metrics.csv"


def test_headline_quantities_are_drawn_along_depth(run_dir: Path) -> None:
    (file,) = run_dir.glob("wandb/offline-run-*/*.wandb")
    panels = {
        update.nested_key[-1]: json.loads(update.value_json)
        for record in records(file)
        if record.HasField("config")
        for update in record.config.update
        if list(update.nested_key)[:2] == ["_wandb", "visualize"]
    }
    last = [line for line in _history(run_dir) if "depth/id_table/path" in line][-1]

    few = ("luminance@receptive_field", "identity", "luminance")
    assert set(panels) == {"depth/id", *(f"depth/info_{name}" for name in few)}
    assert panels["depth/id"]["panel_type"] == "Vega2"
    drawn = panels["depth/id"]["panel_config"]
    assert drawn["fieldSettings"] == {"step": "depth", "lineKey": "after", "lineVal": "value"}
    assert drawn["stringSettings"] == {"title": "intrinsic dimension (TwoNN), dimensions", "xname": "relative depth"}
    table, rows = _table(run_dir, last, "depth/id_table"), load(run_dir)
    assert table.after.unique().tolist() == ["untrained", "epoch 1", "epoch 2"]
    for epoch, line in enumerate(["untrained", "epoch 1", "epoch 2"]):
        of_epoch = rows[(rows.epoch == epoch) & (rows.quantity == "two_nn") & (rows.layer != "")]
        of_epoch = of_epoch.sort_values("layer_index")[["depth", "layer", "value"]].reset_index(drop=True)
        of_line = table[table.after == line][["depth", "layer", "value"]].reset_index(drop=True)
        pd.testing.assert_frame_equal(of_line, of_epoch)


def test_a_run_is_named_by_data_model_and_seed(run_dir: Path) -> None:
    (file,) = run_dir.glob("wandb/offline-run-*/*.wandb")

    names = {record.run.display_name for record in records(file) if record.HasField("run")}
    assert names == {"objects small_vgg seed 0"}


def test_accuracy_and_dimension_after_an_epoch_have_its_number_everywhere(run_dir: Path) -> None:
    lines, rows = _history(run_dir), load(run_dir)
    metrics = pd.read_csv(run_dir / "csv" / "metrics.csv")

    ends = rows[["epoch", "step"]].drop_duplicates().to_numpy().tolist()
    assert ends == [[0, 0], [1, 3], [2, 6]]
    for key, expected in (("id/relu1", ends), ("val/accuracy", ends[1:]), ("train/accuracy", ends[1:])):
        at_wandb = [[line["epoch"], line["trainer/global_step"]] for line in lines if key in line]
        assert at_wandb == expected == metrics.dropna(subset=[key])[["epoch", "step"]].to_numpy().tolist(), key
    for key in ("epoch", "trainer/global_step", "_step"):
        values = [line[key] for line in lines]
        assert values == sorted(values), f"{key} does not go backwards"


def _documented() -> re.Pattern[str]:
    """Keys of the table in docs/logged.md, as a pattern."""
    text = (Path(__file__).parents[2] / "docs" / "logged.md").read_text()
    keys = re.findall(r"^\| `([^`]+)` \|", text, re.M)
    parts = [re.sub(r"<\w+>", r"[^/]+", key.replace(".", r"\.")) for key in keys if not key.startswith("<probe>")]
    return re.compile("|".join(f"{part}(_std)?" for part in parts))


def test_every_key_is_documented(run_dir: Path) -> None:
    media = re.compile(r"(_table)?/(_|artifact|bins|format|height|log_mode|ncols|nrows|path|sha|size|values|width).*")
    at_wandb = {media.sub("", key) for line in _history(run_dir) for key in line if key[0] != "_"}
    in_csv = set(pd.read_csv(run_dir / "csv" / "metrics.csv").columns)

    known = _documented()
    assert {key for key in (at_wandb - {"trainer/global_step"}) | in_csv if not known.fullmatch(key)} == set()


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
    monkeypatch.setattr(WandbMedia, "_show_point", lambda *point: None)
    trainer = SimpleNamespace(
        loggers=[logger], max_epochs=ends, current_epoch=-1, default_root_dir="run", global_step=30
    )
    media = WandbMedia(every_epochs=1, share_of_time=0.02)
    media.on_train_start(trainer, None)
    for epoch in range(31):
        media.on_probe(trainer, ProbePoint(epoch, epoch), [], Catalogue())
        clock.now += 32.0
    media.on_train_end(trainer, None)

    assert found == drawn and len(logger.attached) == len(drawn) and logger.lines == lines
