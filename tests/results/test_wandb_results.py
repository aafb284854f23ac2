from collections.abc import Iterator
from pathlib import Path

import pytest
import wandb

from pdtrain.results.rows import ProbePoint, Row
from pdtrain.results.wandb_files import records
from pdtrain.results.wandb_results import WandbResults


@pytest.fixture(autouse=True)
def forgotten_session() -> Iterator[None]:
    yield
    wandb.teardown()


def test_a_dead_network_that_is_probed_is_said_at_wandb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    results = WandbResults(tmp_path, "again", to="new")

    for epoch, share in ((0, 0.2), (1, 1.0), (2, 0.95), (3, 0.1)):
        results.send(
            ProbePoint(epoch, 5 * epoch),
            [Row("relu1", 1, 0.5, "unit_information", "silent_fraction", "luminance", share)],
        )
    results.close()

    found = list(records(next(tmp_path.glob("wandb/offline-run-*/*.wandb"))))
    tags = [list(record.run.tags) for record in found if record.HasField("run")]
    alerts = [record.alert.title for record in found if record.HasField("alert")]
    summaries = [u for record in found if record.HasField("summary") for u in record.summary.update]
    sentences = [u.value_json for u in summaries if "again/caveats" in (u.key, "/".join(u.nested_key))]
    assert tags[-1] == ["dead network"] and alerts == ["dead network"], "said once"
    assert "at epoch 1:" in sentences[-1] and "at epoch 2:" in sentences[-1] and "epoch 0" not in sentences[-1]
