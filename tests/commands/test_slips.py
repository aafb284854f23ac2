"""Words of a command line that are no key=value are answered with the line that was meant."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pdtrain.commands import probe, report, train
from pdtrain.commands.slips import meant, nearest_key

_KEYS = {
    "seed": 0, "run_dir": None, "force": False, "data": {}, "data.batch_size": 64, "layers.batch_size": None,
    "trainer.max_epochs": 8, "optimizer.lr": 0.003, "model": {}, "data.subset": None, "report": True,
}  # fmt: skip
_CHOICES = {"model": ["vgg16", "resnet18"], "data": ["mnist"], "experiment": ["mnist", "muratore"]}
_TRAIN = {key: value for key, value in _KEYS.items() if key != "run_dir"}


@pytest.mark.parametrize(
    ("given", "corrected"),
    [
        ("runs/fm", "run_dir=runs/fm"),
        ("run_dir runs/fm", "run_dir=runs/fm"),
        ("--run_dir=runs/fm", "run_dir=runs/fm"),
        ("--run-dir runs/fm seed=1", "run_dir=runs/fm seed=1"),
        ("run_dir = runs/fm", "run_dir=runs/fm"),
        ("run_dir= runs/fm", "run_dir=runs/fm"),
        ("run_dir:runs/fm", "run_dir=runs/fm"),
        ("one other", "'run_dir=[one,other]'"),
        ("runs/fm force", "run_dir=runs/fm force=true"),
        ("runs/fm --force", "run_dir=runs/fm force=true"),
    ],
)
def test_what_was_meant_of_a_run(given: str, corrected: str) -> None:
    found = meant(given.split(), _KEYS, _CHOICES)

    assert found is not None and found[1] == corrected


@pytest.mark.parametrize(
    ("given", "corrected"),
    [
        ("--seed 3", "seed=3"),
        ("-m seed=1,2 --lr 0.1", "-m seed=1,2 optimizer.lr=0.1"),
        ("--config-dir mine --seed=3", "--config-dir mine seed=3"),
        ("seed 3 +data.x=1", "seed=3 +data.x=1"),
        ("--max-epochs 5", "trainer.max_epochs=5"),
        ("--batch_size 5", "data.batch_size=5"),
        ("data.subset", "data.subset=..."),
        ("--subset", "data.subset=..."),
        ("vgg16 seed=1", "model=vgg16 seed=1"),
        ("mnist", "experiment=mnist"),
        ("experiment muratore", "experiment=muratore"),
        ("--report false", "report=false"),
        ("--colour red", ""),
        ("everything", ""),
    ],
)
def test_what_was_meant_of_a_training(given: str, corrected: str) -> None:
    found = meant(given.split(), _TRAIN | {"experiment": ""}, _CHOICES)

    assert found is not None and found[1] == corrected


@pytest.mark.parametrize(
    "given",
    [
        "", "seed=3", "-m seed=1,2", "--multirun seed=1,2", "--cfg job", "-c job seed=3", "--cfg=job", "~data.subset",
        "--config-dir mine experiment=x", "-cd mine", "--help", "--help model", "-sc query=bash", "+data.x=1",
        "'layers.names=[relu*]'", "--info", "hydra.run.dir=x", "--resolve --cfg job",
    ],
)  # fmt: skip
def test_what_is_right_is_left_alone(given: str) -> None:
    assert meant(given.split(), _KEYS, _CHOICES) is None


@pytest.mark.parametrize(
    ("given", "key"),
    [("lr", "optimizer.lr"), ("epochs", "trainer.max_epochs"), ("batchsize", "data.batch_size"), ("sed", "seed"),
     ("trainer.max_epoch", "trainer.max_epochs"), ("run_dirs", "run_dir"), ("max_epoch", "trainer.max_epochs")],
)  # fmt: skip
def test_the_nearest_key_is_found_by_its_last_part_too(given: str, key: str) -> None:
    assert nearest_key(given, _KEYS | {"layers.batch_size": None}) in (key, key.replace("data.", "layers."))


@pytest.mark.parametrize(
    ("command", "given", "said"),
    [
        ("report", ["runs/fm"], "runs/fm: what is set is given as key=value; did you mean: pdtrain-report run_dir="),
        ("probe", ["runs/fm", "--force"], "did you mean: pdtrain-probe run_dir=runs/fm force=true"),
        ("train", ["--seed", "3"], "--seed 3: what is set is given as key=value; did you mean: pdtrain-train seed=3"),
        ("train", ["fashion_mnist"], "did you mean: pdtrain-train experiment=fashion_mnist"),
        ("train", ["+seed=3"], "+seed: there is such a key already; give seed=... without the +"),
        ("train", ["lr=3"], "lr: no such key; did you mean optimizer.lr?"),
        ("train", ["trainer.logger=false"], "trainer.logger: no such key; loggers are the group logger"),
    ],
)  # fmt: skip
def test_commands_say_it_in_one_line(
    command: str, given: list[str], said: str, refuse: Callable[..., str], tmp_path: Path
) -> None:
    main = {"report": report.main, "probe": probe.main, "train": train.main}[command]

    assert said in refuse(f"pdtrain-{command}", main, given, codes=(2,))
    assert list(tmp_path.iterdir()) == []


_IDLE = [
    ("probe", "run_dir=x out=y", "out=y: not used of checkpoints of a run"),
    ("probe", "run_dir=x preprocessing.pixels=64", "preprocessing.pixels=64: not used"),
    ("probe", "run_dir=x neurons=5", "neurons=5: not used of checkpoints of a run: that is for responses="),
    ("probe", "state_dict=w out=o watch=true", "watch=true: not used of weights from elsewhere"),
    ("probe", "state_dict=w out=o ckpt_path=c", "ckpt_path=c: not used"),
    ("probe", "model=vgg16 model.network.weights=DEFAULT out=o match=order", "match=order: not used without"),
    ("probe", "responses=r stimuli_table=s out=o layers=stages", "layers=stages: not used of recorded neurons"),
    ("probe", "responses=r stimuli_table=s out=o wandb=new", "wandb=new: not used of recorded neurons"),
    ("report", "run_dir=x out=y", "out=y: not used of one run"),
    ("report", "run_dir=x by=seed", "by=seed: not used of one run"),
]  # fmt: skip


@pytest.mark.parametrize(("command", "given", "said"), _IDLE)
def test_what_would_not_be_used_is_refused(command: str, given: str, said: str, refuse: Callable[..., str]) -> None:
    main = {"report": report.main, "probe": probe.main}[command]

    assert said in refuse(f"pdtrain-{command}", main, given.split(), codes=(2,))


def test_options_may_stand_between_keys(refuse: Callable[..., str]) -> None:
    said = refuse("pdtrain-train", train.main, ["trainer.max_epochs=2", "-m", "trainer.max_epoch=1,2"], codes=(2,))

    assert "trainer.max_epoch: no such key; did you mean trainer.max_epochs?" in said
