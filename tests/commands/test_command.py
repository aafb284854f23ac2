import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pdtrain.commands import train

_BAD = [
    (["model=vgg61"], "model=vgg61: no such choice; did you mean vgg16?"),
    (["data=nowhere"], "data=nowhere: no such choice; choose from cifar10"),
    (["trainer.max_epoch=3"], "trainer.max_epoch: no such key; did you mean trainer.max_epochs?"),
    (
        ["model=resnet18", "model.network.widhts=[8]"],
        "model.network.widhts: no such key; did you mean model.network.weights?",
    ),
    (["model=torchvision", "data.training_images=100"], "model.network.name: a value is needed"),
    (["layers.names=[conv9]", "data.training_images=100"], "layers.names=conv9: no such layer; did you mean conv6?"),
    (["trainer.max_epochs"], "did you mean: pdtrain-train trainer.max_epochs=..."),
]


def _run(module: str, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", module, *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, check=False)


@pytest.mark.parametrize(("arguments", "message"), _BAD)
def test_wrong_input_ends_with_one_line_and_exit_code_2(
    arguments: list[str], message: str, refuse: Callable[..., str]
) -> None:
    assert message in refuse("pdtrain-train", train.main, arguments, codes=(2,))


def test_so_does_wrong_input_of_a_real_process(tmp_path: Path) -> None:
    arguments, message = _BAD[0]

    done = _run("pdtrain.commands.train", *arguments, cwd=tmp_path)

    lines = [line for line in done.stderr.splitlines() if line.strip()]
    assert done.returncode == 2
    assert len(lines) == 1 and lines[0].startswith("pdtrain-train: ") and message in lines[0]


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    done = _run("pdtrain.commands.train", "trainer.max_epoch=3", "debug=true", cwd=tmp_path)

    assert done.returncode != 0 and "Traceback" in done.stderr


def test_help_is_ours_and_lists_groups_and_overrides(tmp_path: Path) -> None:
    done = _run("pdtrain.commands.train", "--help", cwd=tmp_path)

    assert done.returncode == 0
    assert "optimizer: adamw, custom, sgd" in done.stdout and "commonest overrides" in done.stdout


def test_report_needs_a_run(tmp_path: Path) -> None:
    done = _run("pdtrain.commands.report", cwd=tmp_path)

    assert done.returncode == 2 and "run_dir: a value is needed" in done.stderr


def test_a_bad_job_of_a_sweep_does_not_stop_the_others(tmp_path: Path) -> None:
    tiny = ["data.training_images=64", "data.validation_images=80", "data.pixels=16", "stimuli.count=80"]
    tiny += ["trainer.max_epochs=1", "report=false", "model.network.widths=[4]", "+trainer.enable_progress_bar=false"]
    sweep = ["layers.names=[conv9],[input]", f"hydra.sweep.dir={tmp_path}/sweep"]

    done = _run("pdtrain.commands.train", "-m", *tiny, *sweep, cwd=tmp_path)

    assert done.returncode == 2 and "layers.names=conv9" in done.stderr.splitlines()[-1]
    assert list((tmp_path / "sweep" / "1" / "results").glob("*.rows.parquet"))


def test_info_and_shell_completion(tmp_path: Path) -> None:
    info = _run("pdtrain.commands.train", "--info", cwd=tmp_path)
    assert info.returncode == 0 and "Config search path" in info.stdout

    for line, expected in (
        ("pdtrain-train model=small_v", "model=small_vgg"),
        ("pdtrain-train data.sub", "data.subset="),
    ):
        environment = os.environ | {"COMP_LINE": line, "COMP_POINT": str(len(line))}
        command = [sys.executable, "-m", "pdtrain.commands.train", "-sc", "query=bash"]
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment, check=True)
        assert done.stdout.split() == [expected]


@pytest.mark.parametrize("command", ["probe", "report"])
def test_each_command_has_its_help(command: str, tmp_path: Path) -> None:
    done = _run(f"pdtrain.commands.{command}", "--help", cwd=tmp_path)

    assert done.returncode == 0 and f"pdtrain-{command}" in done.stdout and "$\\" not in done.stdout
