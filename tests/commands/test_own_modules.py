"""A module beside one's working directory is found where its user names it, and nowhere else."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hydra.core.global_hydra import GlobalHydra
from omegaconf import OmegaConf

from pdtrain.commands import probe, train
from pdtrain.commands.own_modules import find_own_modules
from pdtrain.errors import InputError
from pdtrain.results.reader import load

_NET = """
from torch import nn

def net(num_classes: int, channels: int, width: int = 4) -> nn.Module:
    return nn.Sequential(nn.Conv2d(channels, width, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
                         nn.Linear(width, num_classes))
"""
_SMALL = [
    "data.training_images=64", "data.validation_images=100", "data.pixels=16", "stimuli.count=100",
    "trainer.max_epochs=1", "trainer.enable_progress_bar=false", "report=false", "probes.unit_information=null",
    "probes.object_information=null",
]  # fmt: skip


@pytest.fixture
def beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working directory with a module of its own."""
    (tmp_path / "net_of_mine.py").write_text(_NET)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path])
    yield tmp_path
    sys.modules.pop("net_of_mine", None)


def _run(main: Callable[[], None], *words: str) -> None:
    GlobalHydra.instance().clear()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["pdtrain", *words])
        main()


def test_a_network_of_ones_own_is_trained_and_probed(beside: Path, refuse: Callable[..., str]) -> None:
    own = ["model=custom", "model.network._target_=net_of_mine.net", "+model.network.width=3"]
    _run(train.main, *_SMALL, *own, "hydra.run.dir=run")

    sys.modules.pop("net_of_mine")
    sys.path.remove(str(beside))
    line = refuse("pdtrain-probe", probe.main, ["run_dir=run", "ckpt_path='epoch=0001*'"])
    assert "model.network._target_=net_of_mine.net" in line and "trust=[net_of_mine]" in line
    assert "net_of_mine" not in sys.modules and str(beside) not in sys.path

    _run(probe.main, "run_dir=run", "trust=net_of_mine", "ckpt_path='epoch=0001*'")
    assert load("run", probe_set="probe").layer.nunique() > 2


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["model=custom"], "model.network._target_: a value is needed"),
        (
            ["model=custom", "model.network._target_=nowhere.net"],
            "nowhere.net: no module nowhere, neither installed nor",
        ),
        (["model=custom", "model.network._target_=net_of_mine.net", "+model.network.widht=3"], "did you mean width?"),
        (
            ["model=custom", "model.network._target_=net_of_mine.net", "model.network.width=3"],
            "model.network.width: no such key; did you mean model.network? (+model.network.width=... adds",
        ),
        (["model.network._target_=net_of_mine.net"], "begin from model=custom"),
        (["data=custom"], "data._target_: a value is needed"),
        (["optimizer=custom"], "optimizer._target_: a value is needed"),
        (["optimizer._target_=torch.optim.RMSprop"], "optimizer.fused: torch.optim.RMSprop takes no fused; begin from"),
    ],
)
def test_what_is_missing_of_ones_own_is_said(
    given: list[str], said: str, beside: Path, refuse: Callable[..., str]
) -> None:
    assert said in refuse("pdtrain-train", train.main, given, codes=(2,))


def test_the_path_grows_only_by_what_is_named_and_missing(beside: Path) -> None:
    before = list(sys.path)

    find_own_modules(OmegaConf.create({"model": {"network": {"_target_": "torch.nn.Linear"}}, "trust": []}))
    assert sys.path == before
    with pytest.raises(InputError, match=r"^trust=nowhere: no module nowhere"):
        find_own_modules(OmegaConf.create({"trust": ["nowhere"]}))
    assert sys.path == before
    find_own_modules(OmegaConf.create({"trust": "net_of_mine"}))
    assert sys.path == [*before, str(beside)], "last: what is installed comes first"
