"""The finding on few images and one seed, by its commands: what claims 1 and 3 say comes out with its sign."""

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd

from pdtrain.report.claims import CLAIMS

_REDUCED = [
    "data.training_images=6000", "trainer.max_epochs=4", "callbacks.probing.schedule.log_spaced_steps=null",
    "callbacks.probing.schedule.every_epochs=4", "probes.object_information=null", "probes.discriminability=null",
    "callbacks.probing.checkpoints=null", "callbacks.checkpoint=null", "report=false",
]  # fmt: skip


def test_dimension_expands_and_contracts_and_units_lose_information(tmp_path: Path) -> None:
    run = tmp_path / "run"
    _run("train", "experiment=prune_and_distill", *_REDUCED, f"hydra.run.dir={run}", cwd=tmp_path)
    said = _run("report", f"run_dir={run}", "claims=true", cwd=tmp_path)

    assert "rendered objects" in said and "not judged" in said and "one seed" in said
    parts = pd.read_csv(run / "report" / CLAIMS).set_index("part")
    for part in ("expansion", "more_expansion"):
        assert parts.loc[part, "lower"] > 0, part
    for part in ("contraction", "more_contraction", "distillation", "active_pruning"):
        assert parts.loc[part, "upper"] < 0, part


def _run(command: str, *overrides: str, cwd: Path) -> str:
    environment = os.environ | {"COLUMNS": "200"}
    process = subprocess.run(
        [sys.executable, "-m", f"pdtrain.commands.{command}", *overrides],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert process.returncode == 0, process.stdout + process.stderr
    return process.stdout
