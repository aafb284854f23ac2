import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from omegaconf import DictConfig

from pdtrain.commands.train import train

_EXAMPLES = Path(__file__).parents[2] / "scripts" / "examples"


def test_the_example_draws_the_runs_of_a_sweep(configure: Callable[..., DictConfig], tmp_path: Path) -> None:
    for seed in (1, 2):
        train(configure("probes.unit_information=null", f"seed={seed}", run=f"sweep/{seed}"))

    command = [sys.executable, str(_EXAMPLES / "dimension_over_seeds.py"), str(tmp_path / "sweep"), "dimension.png"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)

    assert (tmp_path / "dimension.png").stat().st_size > 10_000
    assert "mean" in done.stdout and "std" in done.stdout
