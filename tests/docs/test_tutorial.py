"""The tutorial's commands and Python run, in its order, in small."""

import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]
_PAGE = (_ROOT / "docs" / "tutorial.md").read_text()
_BLOCK = re.compile(r"^```(bash|python)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_REPORTS = ("quickstart/report/report.html", "quickstart/report/factorial/report.html", "seeds/report/comparison.html")
_SMALL = {
    "train": [
        "data.training_images=64", "data.validation_images=100", "data.pixels=16", "stimuli.count=100",
        "trainer.max_epochs=1", "model.network.widths=[4]", "probes.object_information=null", "paths.data=data",
        "probes.unit_information.properties=[luminance@receptive_field,identity]",
    ],
    "probe": ["stimuli.levels.size=[0.7]", "stimuli.levels.rotation_depth=[0]"],
    "report": [],
}  # fmt: skip


@pytest.fixture
def small_commands(tmp_path: Path) -> dict[str, str]:
    """An environment in which the commands are those of this checkout, with settings that make them small."""
    (tmp_path / "bin").mkdir()
    programs = {f"pdtrain-{name}": ["-m", f"pdtrain.commands.{name}", '"$@"', *given] for name, given in _SMALL.items()}
    for name, words in (programs | {"python": ['"$@"']}).items():
        program = tmp_path / "bin" / name
        quoted = " ".join(word if word == '"$@"' else f"'{word}'" for word in words)
        # the jobs of a sweep are read together, not one by one
        sweep = 'case " $* " in *" -m "*) set -- "$@" report=false;; esac\n' if name == "pdtrain-train" else ""
        program.write_text(f"#!/bin/sh\n{sweep}exec '{sys.executable}' {quoted}\n")
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return os.environ | {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}", "MPLBACKEND": "agg"}


def test_every_block_runs_in_its_order(small_commands: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "scripts").symlink_to(_ROOT / "scripts")
    blocks = _BLOCK.findall(_PAGE)
    printed = []

    for language, text in blocks:
        command = ["bash", "-ec", text] if language == "bash" else [sys.executable, "-c", text]
        done = subprocess.run(command, cwd=tmp_path, env=small_commands, capture_output=True, text=True)
        assert done.returncode == 0, f"{text}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
        printed.append(done.stdout)

    assert len(blocks) == 6
    reports = [tmp_path / "runs" / report for report in _REPORTS]
    figures = [tmp_path / name for name in ("dimension_over_seeds.pdf", "before_and_after.pdf")]
    assert all(report.is_file() for report in reports)
    assert all(figure.stat().st_size > 5_000 for figure in figures)
    assert "relu1" in printed[3] and "mean" in printed[3], "the frame over seeds"
    assert re.search(r"relu\d, epoch 1: two_nn  [\d.]+ \[[\d.]+, [\d.]+\]", printed[-1])
