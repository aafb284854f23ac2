"""The page of the house says what is so."""

import re
import sys
from collections.abc import Callable
from importlib import import_module
from operator import attrgetter
from pathlib import Path
from types import CodeType, FrameType

import pytest
import torch
from omegaconf import DictConfig

import draw_architecture
from pdtrain.commands.train import train

_ROOT = Path(__file__).parents[2]
_PAGE = (_ROOT / "docs" / "architecture.md").read_text()


def test_the_picture_is_that_of_the_imports() -> None:
    assert draw_architecture.PICTURE.read_text() == draw_architecture.drawing(), "python scripts/draw_architecture.py"


def test_the_page_names_every_folder() -> None:
    assert set(re.findall(r"^- `(\w+)/`", _PAGE, re.M)) == set(draw_architecture.folders())


def test_estimators_know_no_files_and_no_frameworks() -> None:
    for file in (_ROOT / "pdtrain" / "estimators").glob("*.py"):
        assert not re.search(r"^(from|import) (pytorch_lightning|hydra|wandb|pathlib|pandas)", file.read_text(), re.M)
    assert draw_architecture.imports()["estimators"] == set()


@pytest.mark.usefixtures("undrawn")
def test_an_image_passes_the_functions_that_the_page_names(configure: Callable[..., DictConfig]) -> None:
    names = re.findall(r"^\d+\. `([\w.]+)`", _PAGE, re.M)
    wanted = {_code(name): name for name in names}
    passed: dict[str, None] = {}

    def hear(frame: FrameType, event: str, argument: object) -> None:
        if event == "call" and frame.f_code in wanted:
            passed.setdefault(wanted[frame.f_code])

    measured = "probes.unit_information.properties=[luminance,luminance@receptive_field]"
    config = configure("report=true", "trainer.max_epochs=1", "probes.object_information=null", measured)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # what layers' own threads call is not heard
    sys.setprofile(hear)
    try:
        train(config)
    finally:
        sys.setprofile(None)
        torch.set_num_threads(threads)

    assert list(passed) == names


def _code(name: str) -> CodeType:
    """The code of a function named with its module."""
    parts = name.split(".")
    for cut in range(len(parts) - 1, 0, -1):
        try:
            found = attrgetter(".".join(parts[cut:]))(import_module(".".join(parts[:cut])))
        except ModuleNotFoundError:
            continue
        return getattr(found, "__wrapped__", found).__code__
    raise AssertionError(name)


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`((?:pdtrain|conf)/[\w/.]+)`", _PAGE))))
def test_files_to_touch_exist(path: str) -> None:
    assert (_ROOT / path).exists()


def test_tables_to_add_to_exist() -> None:
    from pdtrain.estimators.corrections import CORRECTIONS
    from pdtrain.estimators.ratios import RATIO_ESTIMATORS

    assert "permutation" in CORRECTIONS and "two_nn" in RATIO_ESTIMATORS
