"""watch=true may begin before the run does, and sees the later jobs of a sweep."""

from contextlib import ExitStack
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from pdtrain.commands import probe
from pdtrain.errors import InputError
from pdtrain.locks import only_writer
from pdtrain.report.console import plain_console
from pdtrain.results.run_folder import RunFolder


def _begin(run: Path) -> None:
    run.mkdir(parents=True)
    RunFolder(run).configuration.write_text("data: {}\nmodel: {}\npaths: {}\n")


def test_a_run_that_has_not_begun_is_waited_for_and_that_is_said_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run, slept = tmp_path / "runs" / "new", list[float]()

    def wait(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 3:
            _begin(run)

    monkeypatch.setattr(probe.time, "sleep", wait)

    assert list(probe._runs(run, plain_console(), watch=True)) == [run]
    assert len(slept) == 3
    assert capsys.readouterr().out == f"watch=true: no run in {run} yet; waiting for one to begin\n"


def test_without_watch_it_is_not_waited_for(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no run there; give the folder of a run or a sweep$"):
        next(probe._runs(tmp_path / "new", plain_console(), watch=False))


@pytest.mark.parametrize("watch", [True, False])
def test_later_jobs_of_a_sweep_are_seen_while_it_runs(
    watch: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _begin(tmp_path / "0")
    with ExitStack() as sweep:
        sweep.enter_context(only_writer(RunFolder(tmp_path).lock(), of="", does=""))

        def wait(seconds: float) -> None:
            if (tmp_path / "1").exists():
                sweep.close()
            else:
                _begin(tmp_path / "1")

        monkeypatch.setattr(probe.time, "sleep", wait)
        found = [path.name for path in probe._runs(tmp_path, plain_console(), watch=watch)]

    assert found == (["0", "1"] if watch else ["0"])


def test_a_run_that_has_no_status_yet_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = OmegaConf.create({"watch": True, "ckpt_path": None})
    with ExitStack() as training:
        training.enter_context(only_writer(RunFolder(tmp_path).lock(), of="", does=""))

        def wait(seconds: float) -> None:
            RunFolder(tmp_path).checkpoints.mkdir()
            (RunFolder(tmp_path).checkpoints / "epoch=0000-step=00000000.ckpt").touch()
            training.close()

        monkeypatch.setattr(probe.time, "sleep", wait)
        found = list(probe._checkpoints(config, tmp_path))

    assert [len(paths) for paths in found] == [0, 1]
