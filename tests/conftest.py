import importlib.util
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hydra import compose, initialize_config_module
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from omegaconf import DictConfig

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


@pytest.fixture(scope="session")
def kill_and_resume() -> ModuleType:
    """The script that kills and resumes: its small run, and its comparison of two runs."""
    path = Path(__file__).parents[1] / "scripts" / "kill_and_resume.py"
    specification = importlib.util.spec_from_file_location("kill_and_resume", path)
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


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
