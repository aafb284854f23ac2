from pathlib import Path

import pytest
import wandb

from pdtrain.loggers.probed_at_wandb import WandbResults
from pdtrain.loggers.wandb_files import records
from pdtrain.results.rows import ProbePoint, Row
from pdtrain.results.store import ResultsStore


def _said(run_dir: Path, points: dict[ProbePoint, Row]) -> tuple[list[list[str]], list[str], list[str]]:
    """Tags, alerts and sentences of a W&B run to which points were sent."""
    results = WandbResults(run_dir, "again", to="new")
    for point, row in points.items():
        ResultsStore(run_dir, probe_set="again").write(point, [row], [])
        results.send(point, [row])
    results.close()
    wandb.teardown()  # W&B ends a run before all of it is on the disk
    found = list(records(next(run_dir.glob("wandb/offline-run-*/*.wandb"))))
    tags = [list(record.run.tags) for record in found if record.HasField("run")]
    alerts = [record.alert.title for record in found if record.HasField("alert")]
    summaries = [u for record in found if record.HasField("summary") for u in record.summary.update]
    return tags, alerts, [u.value_json for u in summaries if "again/caveats" in (u.key, "/".join(u.nested_key))]


def test_a_mix_of_versions_is_said_at_wandb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    made_by = ("unit_information 1", "unit_information 2 permutation, 8 bins")

    tags, alerts, sentences = _said(
        tmp_path,
        {
            ProbePoint(epoch, epoch): Row(
                "relu1", 1, 0.5, "unit_information", "mean", "luminance", 0.1, estimator=estimator
            )
            for epoch, estimator in enumerate(made_by)
        },
    )

    assert tags[-1] == ["mixed estimators"] and alerts == ["mixed estimators"]
    assert "; ".join(made_by) in sentences[-1]


def test_a_dead_network_that_is_probed_is_said_at_wandb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    points = {ProbePoint(epoch, 5 * epoch): share for epoch, share in enumerate((0.2, 1.0, 0.95, 0.1))}

    tags, alerts, sentences = _said(
        tmp_path,
        {
            point: Row("relu1", 1, 0.5, "unit_information", "silent_fraction", "luminance", share)
            for point, share in points.items()
        },
    )

    assert tags[-1] == ["dead network"] and alerts == ["dead network"], "said once"
    assert "Dead network at epochs 1 to 2:" in sentences[-1], "not of 0 and 3"
