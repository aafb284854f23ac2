import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
import torch
from omegaconf import DictConfig
from rich.console import Console

from pdtrain.callbacks import Resuming
from pdtrain.commands.train import train
from pdtrain.errors import InputError, RunError
from pdtrain.results.status import write_status
from pdtrain.training import resume
from pdtrain.training.checkpoints import resumable_checkpoints
from pdtrain.training.resume import Start, found_start

Configure = Callable[..., DictConfig]
_FAST = ["model.network.widths=[4]", "probes.unit_information=null", "probes.object_information=null"]


def _cut_off(run_dir: Path) -> None:
    """Leave the run as one that was killed in its last epoch."""
    checkpoints = resumable_checkpoints(run_dir / "checkpoints")
    checkpoints[0].unlink()
    write_status(run_dir, "failed")


def _same(run_dir: Path, reference: Path) -> bool:
    """Whether all but times are the same."""
    metrics = [pd.read_csv(folder / "csv" / "metrics.csv", dtype=str) for folder in (run_dir, reference)]
    metrics = [lines[[name for name in lines if not name.startswith("time/")]] for lines in metrics]
    weights = [
        torch.load(resumable_checkpoints(folder / "checkpoints")[0], weights_only=True)["state_dict"]
        for folder in (run_dir, reference)
    ]
    return metrics[0].equals(metrics[1]) and all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


@pytest.fixture
def finished(configure: Configure) -> Path:
    return train(configure(*_FAST))


def test_a_folder_that_holds_a_run_is_not_begun_again(configure: Configure, finished: Path) -> None:
    with pytest.raises(InputError, match=r"holds a run already; give resume=auto"):
        train(configure(*_FAST))


def test_a_finished_run_is_left_alone(configure: Configure, finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.stat().st_mtime_ns for path in finished.glob("**/*.*")}

    train(configure(*_FAST, "resume=auto"))

    assert "finished already" in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in finished.glob("**/*.*")} == before


def test_another_configuration_is_refused_by_its_key(configure: Configure, finished: Path) -> None:
    _cut_off(finished)

    with pytest.raises(InputError, match=r"optimizer.lr=0.1: the run in .* has 0.003"):
        train(configure(*_FAST, "resume=auto", "optimizer.lr=0.1"))


def test_the_number_of_workers_may_differ(configure: Configure, finished: Path, tmp_path: Path) -> None:
    reference = shutil.copytree(finished, tmp_path / "reference")
    _cut_off(finished)

    train(configure(*_FAST, "resume=auto", "data.workers=2"))

    assert _same(finished, reference)


def test_the_last_checkpoint_is_that_of_the_end_whichever_was_best(finished: Path) -> None:
    newest = resumable_checkpoints(finished / "checkpoints")[0]
    assert (finished / "checkpoints" / "last.ckpt").samefile(newest)


def test_the_checkpoint_before_a_damaged_one_is_used_and_said(
    configure: Configure, finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    reference = shutil.copytree(finished, tmp_path / "reference")
    newest, before = resumable_checkpoints(finished / "checkpoints")
    newest.write_bytes(newest.read_bytes()[:1000])
    write_status(finished, "failed")

    train(configure(*_FAST, "resume=auto"))

    said = capsys.readouterr().out
    assert f"{newest.name}: damaged" in said and f"going on from {before.name}" in said
    assert _same(finished, reference)


def test_nothing_is_begun_over_checkpoints_that_are_all_damaged(configure: Configure, finished: Path) -> None:
    for checkpoint in resumable_checkpoints(finished / "checkpoints"):
        checkpoint.write_bytes(b"")
    write_status(finished, "failed")

    with pytest.raises(InputError, match=r"no checkpoint in .* can be read"):
        train(configure(*_FAST, "resume=auto"))

    assert len(pd.read_csv(finished / "csv" / "metrics.csv")) > 0


def test_a_run_in_a_folder_named_by_the_time_is_found_by_its_configuration(
    configure: Configure, finished: Path, tmp_path: Path
) -> None:
    _cut_off(finished)

    assert train(configure(*_FAST, "resume=auto", run="another")) == finished
    assert not (tmp_path / "another").exists()
    assert train(configure(*_FAST, "resume=auto", "seed=1", run="third")) == tmp_path / "third"


def test_a_run_that_is_being_trained_is_not_disturbed(configure: Configure, finished: Path) -> None:
    write_status(finished, "running")

    with pytest.raises(InputError, match="is training it"):
        train(configure(*_FAST, "resume=auto"))


def test_processes_of_several_hosts_must_be_told_their_folder(
    configure: Configure, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.delenv("PDTRAIN_START", raising=False)

    with pytest.raises(InputError, match=r"hydra.run.dir: the processes that torchrun and srun start must share"):
        train(configure(*_FAST))


def test_every_host_finds_what_the_first_one_does(
    configure: Configure, finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PDTRAIN_START", raising=False)
    monkeypatch.setattr(resume, "process_rank", lambda: 1)
    config, console = configure(*_FAST, "resume=auto"), Console(quiet=True)

    with found_start(config, console) as start:
        assert start.finished
    write_status(finished, "failed")

    with found_start(config, console) as start:
        assert start == Start(finished, resumable_checkpoints(finished / "checkpoints")[0])


def test_a_host_that_does_not_see_the_checkpoint_ends_the_run() -> None:
    strategy = SimpleNamespace(broadcast=lambda step: 6, reduce_boolean_decision=lambda decision: decision)
    begun = SimpleNamespace(global_step=6, strategy=strategy, fit_loop=SimpleNamespace(restarting=False))

    Resuming("anywhere").on_train_start(begun, None)
    with pytest.raises(RunError, match=r"after different steps, this one after step 0; put hydra.run.dir on a disk"):
        Resuming("anywhere").on_train_start(SimpleNamespace(global_step=0, strategy=strategy), None)


@pytest.mark.parametrize("value", ["never", "true"])
def test_resume_is_auto_or_null(configure: Configure, value: str) -> None:
    with pytest.raises(InputError, match=f"resume={value.capitalize() if value == 'true' else value}: give auto"):
        train(configure(*_FAST, f"resume={value}"))


@pytest.mark.parametrize("part", ["optimizer_states", "loops", "pdtrain", None])
def test_the_checkpoint_before_one_without_its_parts_is_used_and_said(
    configure: Configure, finished: Path, capsys: pytest.CaptureFixture[str], part: str | None
) -> None:
    newest, before = resumable_checkpoints(finished / "checkpoints")
    content = torch.load(newest, weights_only=True)
    newest.unlink()
    if part is None:
        newest.mkdir()
    else:
        content.pop(part)
        torch.save(content, newest)
    write_status(finished, "failed")

    with found_start(configure(*_FAST, "resume=auto"), Console(width=1000)) as start:
        pass

    assert start.checkpoint == before
    assert f"{newest.name}: {'no such file' if part is None else 'damaged'}" in capsys.readouterr().out


def test_a_checkpoint_under_the_name_of_another_step_is_not_gone_on_from(configure: Configure, finished: Path) -> None:
    newest, before = resumable_checkpoints(finished / "checkpoints")
    shutil.copyfile(finished / "checkpoints" / "epoch=0000-step=00000000.ckpt", newest)
    write_status(finished, "failed")

    with found_start(configure(*_FAST, "resume=auto"), Console(quiet=True)) as start:
        assert start.checkpoint == before
