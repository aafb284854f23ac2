"""Each experiment of the papers by its command, tiny; and what is said where it is given to the other one."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from pdtrain.commands import probe, train


@pytest.mark.parametrize("experiment", ["fashion_mnist", "ansuini_pretrained", "muratore"])
def test_an_experiment_of_another_command_is_refused_in_one_line(
    experiment: str, refuse: Callable[..., str], tmp_path: Path
) -> None:
    of_training = experiment == "fashion_mnist"
    name, main, given = ("probe", probe.main, ["out=out"]) if of_training else ("train", train.main, [])

    said = refuse(f"pdtrain-{name}", main, [f"experiment={experiment}", *given])

    right = "train" if of_training else "probe"
    assert re.search(
        rf"experiment={experiment}: sets \w+, which this command has not; give it to pdtrain-{right}", said
    )
    assert not (tmp_path / "out").exists()


def test_an_experiment_of_weights_is_none_of_a_run(refuse: Callable[..., str]) -> None:
    said = refuse("pdtrain-probe", probe.main, ["experiment=muratore", "run_dir=run"])

    assert "experiment=muratore: is for weights from elsewhere" in said
