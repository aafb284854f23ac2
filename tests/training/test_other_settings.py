"""A training that begins from the checkpoint of another run follows its own configuration."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pandas as pd
import pytest
import torch
from omegaconf import DictConfig
from torch.optim.lr_scheduler import CosineAnnealingLR, OneCycleLR

from pdtrain.commands.train import train
from pdtrain.errors import InputError
from pdtrain.results import logged

_Configure = Callable[..., DictConfig]
_PLAIN = ["callbacks=no_probes", "trainer.log_every_n_steps=1"]  # three steps an epoch


@pytest.fixture(scope="module")
def before(configure_shared: _Configure) -> Path:
    """The last checkpoint of a training that is finished."""
    return train(configure_shared(*_PLAIN, "trainer.max_epochs=1")) / "checkpoints" / "last.ckpt"


def _rates(run_dir: Path) -> list[float]:
    metrics = pd.read_csv(run_dir / "csv" / "metrics.csv")
    return metrics[logged.LEARNING_RATE].dropna().tolist()


def _expected(schedule: partial, steps: range) -> list[float]:
    optimizer = torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))], lr=0.02)
    scheduler, rates = schedule(optimizer), []
    for _ in range(steps.stop):
        rates.append(scheduler.get_last_lr()[0])
        optimizer.step()
        scheduler.step()
    return rates[steps.start :]


@pytest.mark.parametrize(
    ("choice", "schedule"),
    [
        ("one_cycle", partial(OneCycleLR, max_lr=0.02, total_steps=9)),
        ("cosine", partial(CosineAnnealingLR, T_max=9)),
    ],
)
def test_the_schedule_is_that_of_the_longer_training_at_its_own_rate(
    before: Path, configure: _Configure, choice: str, schedule: partial
) -> None:
    longer = configure(
        *_PLAIN, f"ckpt_path='{before}'", "trainer.max_epochs=3", "optimizer.lr=0.02", f"scheduler={choice}",
        "optimizer.weight_decay=0.3",
    )  # fmt: skip

    run_dir = train(longer)

    assert _rates(run_dir) == pytest.approx(_expected(schedule, range(3, 9)))
    ended = torch.load(run_dir / "checkpoints" / "last.ckpt", weights_only=True)
    assert ended["optimizer_states"][0]["param_groups"][0]["weight_decay"] == 0.3
    assert ended["optimizer_states"][0]["state"][0]["step"] == 9, "the moments are gone on with"


def test_epochs_of_another_length_end_where_the_schedule_does(before: Path, configure: _Configure) -> None:
    shorter = configure(*_PLAIN, f"ckpt_path='{before}'", "trainer.max_epochs=3", "trainer.limit_train_batches=1")

    rates = _rates(train(shorter))

    assert len(rates) == 2 and rates[-1] == pytest.approx(
        _expected(partial(OneCycleLR, max_lr=0.003, total_steps=5), range(4, 5))[0]
    )


def test_a_rehearsal_begins_from_a_finished_run(before: Path, configure: _Configure) -> None:
    train(configure(*_PLAIN, f"ckpt_path='{before}'", "trainer.fast_dev_run=true"))


def test_the_state_of_another_optimizer_is_refused(before: Path, configure: _Configure) -> None:
    with pytest.raises(InputError, match=r"last.ckpt: made with another optimizer, which has no momentum_buffer"):
        train(configure(*_PLAIN, f"ckpt_path='{before}'", "optimizer=sgd"))
