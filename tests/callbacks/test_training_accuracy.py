from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import torch
from hydra.utils import instantiate
from omegaconf import DictConfig

from pdtrain.callbacks import TrainingAccuracy
from pdtrain.commands.build import build_network
from pdtrain.commands.train import train
from pdtrain.errors import InputError
from pdtrain.training.checkpoints import load_network, resumable_checkpoints

Configure = Callable[..., DictConfig]


def _logged(run_dir: Path) -> pd.DataFrame:
    metrics = pd.read_csv(run_dir / "csv" / "metrics.csv")
    column = "train/accuracy_evaluated"
    return metrics.dropna(subset=[column]) if column in metrics else metrics[:0]


def test_it_is_that_of_the_final_network_in_evaluation_mode_on_the_shuffled_labels(configure: Configure) -> None:
    learning = ["data.geometric=1", "data.batch_size=32", "trainer.max_epochs=15", "callbacks=no_probes"]
    config = configure("data.shuffled_labels=true", *learning)
    run_dir = train(config)

    (line,) = _logged(run_dir).to_dict("records")
    data = instantiate(config.data)
    data.setup()
    network = build_network(config, data)
    load_network(network, resumable_checkpoints(run_dir / "checkpoints")[0])
    images = torch.stack([data.training_set[i][0] for i in range(160)])
    with torch.no_grad():
        called = network.eval()(images).argmax(1)
    right = int((called == data.training_set.labels).sum())
    assert line["train/accuracy_evaluated"] == right / 160 and line["epoch"] == 15
    assert right not in (int((called == data.training_set.true_labels).sum()), 16), "it tells these labels from others"


def test_true_labels_cost_no_pass_unless_they_are_to_be_measured(configure: Configure) -> None:
    unasked = train(configure("callbacks=no_probes", run="unasked"))
    asked = train(configure("callbacks=no_probes", "callbacks.training_accuracy.when=always", run="asked"))

    assert (len(_logged(unasked)), len(_logged(asked))) == (0, 1)


def test_another_time_is_refused() -> None:
    with pytest.raises(InputError, match=r"callbacks\.training_accuracy\.when=never: choose shuffled or always"):
        TrainingAccuracy("never")
