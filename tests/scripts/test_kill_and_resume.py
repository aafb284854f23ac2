"""Real processes, killed and asked to leave: what goes on equals what was left alone."""

import os
import signal
import subprocess
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


def _loading(kill_and_resume: ModuleType, process: subprocess.Popen, output: Path) -> list[int]:
    """Loading processes of a run, when there are two."""
    while len(found := kill_and_resume.workers(process)) < 2:
        assert process.poll() is None, output.read_text()
        time.sleep(0.01)
    return found


def test_a_run_that_is_asked_to_leave_saves_within_the_epoch_whatever_happens_to_its_loading_processes(
    kill_and_resume: ModuleType, tmp_path: Path
) -> None:
    run_dir, reference, output = tmp_path / "run", tmp_path / "reference", tmp_path / "output.txt"
    options = [*_LONG_EPOCH, "data.workers=2"]
    kill_and_resume.finish(reference, *_LONG_EPOCH)

    process = kill_and_resume.start(run_dir, *options)
    while not list((run_dir / "results").glob("epoch=0000-step=00000064.rows*")):
        assert process.poll() is None
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGTERM)  # as `timeout` does, and most clusters

    assert process.wait() == 75
    assert "asked to leave after step" in output.read_text()
    (checkpoint,) = (run_dir / "checkpoints").glob("resume-*.ckpt")
    assert 0 < int(checkpoint.stem.rpartition("=")[2]) < 800, "in the middle of the first epoch"

    process = kill_and_resume.start(run_dir, *options)
    for stopped in _loading(kill_and_resume, process, output):
        os.kill(stopped, signal.SIGSTOP)
    time.sleep(1)
    for _ in range(2):
        os.killpg(process.pid, signal.SIGINT)  # Ctrl-C
        time.sleep(0.1)

    assert process.wait(timeout=90) == 130  # 13 s on a machine of its own
    said = output.read_text()
    assert said.count("asked to leave after step") == 2 and "the same command with resume=auto goes on" in said

    process = kill_and_resume.start(run_dir, *options)
    os.kill(_loading(kill_and_resume, process, output)[1], signal.SIGKILL)

    assert process.wait() == 0
    assert output.read_text().count("was killed by signal 9 (out of memory?)") == 1
    assert "Traceback" not in output.read_text()
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
