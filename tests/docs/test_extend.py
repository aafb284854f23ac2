"""How an installed package adds its own configurations, as docs/extend.md shows it."""

import os
import re
import subprocess
import sys
from pathlib import Path

_PAGE = Path(__file__).parents[2] / "docs" / "extend.md"


def _shown(first_line: str) -> str:
    (found,) = re.findall(
        rf"^```python\n{re.escape(first_line)}\n(.*?)^```$", _PAGE.read_text(), re.DOTALL | re.MULTILINE
    )
    return str(found)


def test_a_package_adds_its_configurations_for_every_command(tmp_path: Path) -> None:
    files = {
        "hydra_plugins/sparse_vision.py": _shown("# hydra_plugins/sparse_vision.py"),
        "sparse_vision/__init__.py": "",
        "sparse_vision/conf/__init__.py": "",
        "sparse_vision/conf/model/of_the_package.yaml": "network:\n  _target_: sparse_vision.network\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)

    def run(*words: str) -> str:
        command = [sys.executable, "-m", "pdtrain.commands.train", *words]
        environment = os.environ | {"PYTHONPATH": str(tmp_path)}
        return subprocess.run(command, cwd="/", env=environment, capture_output=True, text=True, check=True).stdout

    assert "_target_: sparse_vision.network" in run("model=of_the_package", "--cfg", "job")
    assert "of_the_package" in run("--help")
