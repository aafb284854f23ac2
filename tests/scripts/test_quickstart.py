import os
import subprocess
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]
_TINY = [
    "data.training_images=64", "data.validation_images=100", "data.pixels=16", "stimuli.count=100",
    "trainer.max_epochs=1", "model.network.widths=[4]",
]  # fmt: skip


@pytest.mark.skipif(not (_ROOT / ".venv").exists(), reason="not run from the .venv that the scripts make")
def test_quickstart_trains_once_and_then_shows_what_is_there(tmp_path: Path) -> None:
    environment = os.environ | {"PDTRAIN_QUICKSTART": str(tmp_path / "run")}
    command = ["bash", str(_ROOT / "scripts" / "quickstart.sh"), *_TINY, f"paths.data={tmp_path}"]

    first, second = (
        subprocess.run(command, env=environment, capture_output=True, text=True, check=True) for _ in range(2)
    )

    assert "rendering 64 objects" in first.stdout and "probing took" in first.stdout
    assert "reusing the finished run" in second.stdout and "rendering" not in second.stdout
    for done in (first, second):
        assert "expansion" in done.stdout and "report.html" in done.stdout and "luminance" in done.stdout
