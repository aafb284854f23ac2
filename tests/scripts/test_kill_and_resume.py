"""Real processes, killed and asked to leave: what goes on equals what was left alone."""

import os
import signal
import time
from pathlib import Path
from types import ModuleType

import pytest

_FEW_PROBES = ["probes.unit_information.properties=[luminance]", "probes.object_information=null"]
_LONG_EPOCH = [
    "data.training_images=1600", "data.batch_size=2", "trainer.max_epochs=2", "logger=csv", *_FEW_PROBES,
]  # fmt: skip


@pytest.mark.slow
def test_a_run_killed_at_five_moments_equals_one_left_alone(kill_and_resume: ModuleType, tmp_path: Path) -> None:
    assert kill_and_resume.main(5, 1, tmp_path)


def test_sigterm_saves_within_the_epoch_and_says_run_me_again(kill_and_resume: ModuleType, tmp_path: Path) -> None:
    run_dir, reference = tmp_path / "run", tmp_path / "reference"
    kill_and_resume.finish(reference, *_LONG_EPOCH)

    process = kill_and_resume.start(run_dir, *_LONG_EPOCH)
    while not list((run_dir / "results").glob("epoch=0000-step=00000064.rows*")):
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)

    assert process.wait() == 75
    assert "asked to leave after step" in (tmp_path / "output.txt").read_text()
    (checkpoint,) = (run_dir / "checkpoints").glob("resume-*.ckpt")
    assert 0 < int(checkpoint.stem.rpartition("=")[2]) < 800, "in the middle of the first epoch"
    kill_and_resume.finish(run_dir, *_LONG_EPOCH)
    assert kill_and_resume.differences(run_dir, reference, wandb=False) == []


def test_lightning_requeues_a_slurm_job_which_then_goes_on_by_itself(
    kill_and_resume: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_dir, requeued = tmp_path / "run", tmp_path / "requeued"
    scontrol = tmp_path / "bin" / "scontrol"
    scontrol.parent.mkdir()
    scontrol.write_text(f'#!/bin/sh\necho "$@" > {requeued}\n')
    scontrol.chmod(0o755)
    monkeypatch.setenv("PATH", f"{scontrol.parent}:{os.environ['PATH']}")
    for name, value in {"JOB_ID": "7", "NTASKS": "1", "JOB_NAME": "train", "PROCID": "0", "LOCALID": "0"}.items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    options = [*_LONG_EPOCH, "resume=null"]

    process = kill_and_resume.start(run_dir, *options)
    while not list((run_dir / "results").glob("epoch=0000-step=00000064.rows*")):
        assert process.poll() is None, (tmp_path / "output.txt").read_text()
        time.sleep(0.01)
    process.send_signal(signal.SIGUSR1)

    assert process.wait() == 75
    assert requeued.read_text() == "requeue 7\n"
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    kill_and_resume.finish(run_dir, *options)
    assert "going on from resume-step" in (tmp_path / "output.txt").read_text()
    assert list((run_dir / "results").glob("epoch=0002-step=00001600.rows*"))
