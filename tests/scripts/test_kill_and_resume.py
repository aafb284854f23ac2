"""Real processes, killed and asked to leave: what goes on equals what was left alone."""

import importlib.util
import os
import signal
import time
from pathlib import Path
from types import ModuleType

import pytest

_SCRIPT = Path(__file__).parents[2] / "scripts" / "kill_and_resume.py"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    specification = importlib.util.spec_from_file_location("kill_and_resume", _SCRIPT)
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_a_run_killed_at_five_moments_equals_one_left_alone(script: ModuleType, tmp_path: Path) -> None:
    assert script.main(5, 1, tmp_path)


def test_sigterm_saves_within_the_epoch_and_says_run_me_again(script: ModuleType, tmp_path: Path) -> None:
    run_dir, reference = tmp_path / "run", tmp_path / "reference"
    long_epoch = ["data.training_images=1600", "data.batch_size=2", "trainer.max_epochs=2", "logger=csv"]
    script.finish(reference, *long_epoch)

    process = script.start(run_dir, *long_epoch)
    while not list((run_dir / "results").glob("epoch=0000-step=00000064.rows*")):
        assert process.poll() is None
        time.sleep(0.001)
    process.send_signal(signal.SIGTERM)

    assert process.wait() == 75
    assert "asked to leave after step" in (tmp_path / "output.txt").read_text()
    (checkpoint,) = (run_dir / "checkpoints").glob("resume-*.ckpt")
    assert 0 < int(checkpoint.stem.rpartition("=")[2]) < 800, "in the middle of the first epoch"
    script.finish(run_dir, *long_epoch)
    assert script.differences(run_dir, reference, wandb=False) == []


def test_lightning_requeues_a_slurm_job_which_then_goes_on_by_itself(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_dir, requeued = tmp_path / "run", tmp_path / "requeued"
    scontrol = tmp_path / "bin" / "scontrol"
    scontrol.parent.mkdir()
    scontrol.write_text(f'#!/bin/sh\necho "$@" > {requeued}\n')
    scontrol.chmod(0o755)
    monkeypatch.setenv("PATH", f"{scontrol.parent}:{os.environ['PATH']}")
    for name, value in {"JOB_ID": "7", "NTASKS": "1", "JOB_NAME": "train", "PROCID": "0", "LOCALID": "0"}.items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    options = ["data.training_images=1600", "data.batch_size=2", "trainer.max_epochs=2", "logger=csv", "resume=null"]

    process = script.start(run_dir, *options)
    while not list((run_dir / "results").glob("epoch=0000-step=00000064.rows*")):
        assert process.poll() is None, (tmp_path / "output.txt").read_text()
        time.sleep(0.001)
    process.send_signal(signal.SIGUSR1)

    assert process.wait() == 75
    assert requeued.read_text() == "requeue 7\n"
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    script.finish(run_dir, *options)
    assert "going on from resume-step" in (tmp_path / "output.txt").read_text()
    assert list((run_dir / "results").glob("epoch=0002-step=00001600.rows*"))
