"""Where things end: nothing to train, layers of millions of units, options that leave nothing to measure with."""

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from omegaconf import DictConfig

from pdtrain.commands.build import build_network
from pdtrain.commands.train import train
from pdtrain.results.reader import load
from pdtrain.training.checkpoints import load_network

Configure = Callable[..., DictConfig]


@pytest.mark.parametrize("given", ["trainer.max_epochs=0", "+trainer.max_steps=0", "+trainer.limit_train_batches=0"])
@pytest.mark.parametrize("untrained", ["true", "false"])
def test_a_network_that_is_not_to_be_trained_is_probed_and_reported(
    given: str, untrained: str, configure: Configure, tmp_path: Path, undrawn: None, capsys: pytest.CaptureFixture[str]
) -> None:
    few = ["probes.object_information=null", "probes.unit_information=null"]
    config = configure(given, f"callbacks.probing.schedule.untrained={untrained}", "report=true", *few)

    train(config)

    assert load(tmp_path / "run").epoch.unique().tolist() == [0]
    assert (tmp_path / "run" / "report" / "report.html").exists()
    assert json.loads((tmp_path / "run" / "status.json").read_text())["state"] == "finished"
    assert "untrained: ID" in (shown := capsys.readouterr().out) and "→" not in shown.partition("Not estimated")[0]
    network = build_network(config, SimpleNamespace(shape=(1, 16, 16), num_classes=10))
    load_network(network, tmp_path / "run" / "checkpoints" / "epoch=0000-step=00000000.ckpt")
