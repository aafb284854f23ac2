import importlib.util
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hydra import compose, initialize_config_module
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from omegaconf import DictConfig, OmegaConf

from pdtrain.estimators.halvings import SPLITS
from pdtrain.results.configuration import save_configuration
from pdtrain.results.rows import ProbePoint, Row
from pdtrain.results.run_folder import TRAINING
from pdtrain.results.store import ResultsStore

TINY = [
    "data.training_images=160",
    "data.validation_images=100",
    "data.pixels=16",
    "stimuli.count=100",
    "trainer.max_epochs=2",
    "model.network.widths=[4,8]",
    "model.network.hidden=16",
    "+trainer.enable_progress_bar=false",
    "report=false",
]
_LAYERS = ("input", "relu1", "relu2", "relu3", "relu4", "output")
_Profiles = Mapping[tuple[int, int], Mapping[str, Sequence[float]]]


@pytest.fixture(scope="session")
def kill_and_resume() -> ModuleType:
    """The script that kills and resumes: its small run, and its comparison of two runs."""
    path = Path(__file__).parents[1] / "scripts" / "kill_and_resume.py"
    specification = importlib.util.spec_from_file_location("kill_and_resume", path)
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.fixture(autouse=True)
def _w_and_b_begins_anew() -> Iterator[None]:
    """What a test set W&B up with, such as its mode, holds for that test alone."""
    yield
    if "wandb" in sys.modules:
        sys.modules["wandb"].teardown()


@pytest.fixture
def lock_holder() -> Iterator[Callable[[Path], subprocess.Popen]]:
    """Start a process that holds the lock at a path, until it is killed."""
    started = []
    holds = (
        "import sys, time\nfrom pathlib import Path\nfrom pdtrain.locks import only_writer\n"
        "with only_writer(Path(sys.argv[1]), of='', does=''):\n    print(flush=True)\n    time.sleep(600)\n"
    )

    def hold(path: Path) -> subprocess.Popen:
        process = subprocess.Popen([sys.executable, "-c", holds, str(path)], stdout=subprocess.PIPE)
        started.append(process)
        assert process.stdout is not None
        process.stdout.readline()
        return process

    yield hold
    for process in started:
        process.kill()
        process.communicate()


def _configure_below(folder: Path) -> Callable[..., DictConfig]:
    def build(*overrides: str, tiny: list[str] | None = None, run: str = "run") -> DictConfig:
        paths = [f"paths.run_dir={folder / run}", f"paths.data={folder / 'data'}", f"paths.runs={folder}"]
        with initialize_config_module("pdtrain.conf", version_base="1.3"):
            return compose("train", [*(TINY if tiny is None else tiny), *paths, *overrides])

    return build


@pytest.fixture
def configure(tmp_path: Path) -> Callable[..., DictConfig]:
    """Compose the tiny default configuration with overrides, all output below tmp_path."""
    return _configure_below(tmp_path)


@pytest.fixture(scope="module")
def configure_shared(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., DictConfig]:
    """As `configure`, for a run that the tests of a module share: those that write into it take a copy."""
    return _configure_below(tmp_path_factory.mktemp("shared"))


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures are made, but not brought to paper, which takes longest."""

    def leave_blank(canvas: object, target: Any, **options: object) -> None:
        if isinstance(target, Path):
            target.write_bytes(b"")

    monkeypatch.setattr(Figure, "savefig", leave_blank)
    monkeypatch.setattr(ConstrainedLayoutEngine, "execute", lambda engine, figure: None)
    monkeypatch.setattr(FigureCanvasAgg, "print_png", leave_blank)
    monkeypatch.setattr(FigureCanvasSVG, "print_svg", leave_blank)


@pytest.fixture
def write_run(tmp_path: Path) -> Callable[..., Path]:
    """Write a run with given profiles: of each probe point, a value for each layer of each quantity."""

    def write(
        profiles: _Profiles,
        *,
        seed: int = 0,
        experiment: str = "made",
        error: float = 0.01,
        note: str = "",
        shuffled: bool = False,
        layers: Sequence[str] = _LAYERS,
        version: int = 1,
        probe_set: str = TRAINING,
        more: Mapping[str, Any] | None = None,
    ) -> Path:
        folder = tmp_path / "sweep" / f"{experiment}-{seed}"
        config = {
            "seed": seed,
            "data": {"shuffled_labels": shuffled},
            "model": {"network": {}},
            "paths": {"run_dir": str(folder)},
            "choices": {"experiment": experiment},
            **(more or {}),
        }
        save_configuration(folder, OmegaConf.create(config))
        halves = error * np.random.default_rng(7).standard_normal(SPLITS)
        for (epoch, step), quantities in profiles.items():
            rows = []
            for name, values in quantities.items():
                probe, quantity, about = name.split("/")
                for place, (layer, value) in enumerate(zip(layers, values, strict=True)):
                    rows.append(
                        Row(
                            layer, place, place / (len(layers) - 1), probe, quantity, about, value, note=note,
                            half_differences=tuple((abs(value) * halves).tolist()), stimuli="same",
                            estimator=f"{probe} {version}",
                        )
                    )  # fmt: skip
            ResultsStore(folder, probe_set=probe_set).write(ProbePoint(epoch, step), rows, [])
        return folder

    return write
