import gc
import logging
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import wandb

from pdtrain.errors import InputError
from pdtrain.loggers.csv_logger import CsvLogger
from pdtrain.loggers.wandb_files import logged_steps, records
from pdtrain.loggers.wandb_logger import WandbLogger
from pdtrain.loggers.wandb_run import at_wandb, close_run, say_offline


@pytest.fixture(autouse=True)
def forgotten_session() -> Iterator[None]:
    yield
    wandb.teardown()


def test_csv_goes_on_after_the_lines_of_a_checkpoint(tmp_path: Path) -> None:
    whole, first = CsvLogger(tmp_path / "whole"), CsvLogger(tmp_path / "cut")
    for step in range(4):
        whole.log_metrics({"loss": step / 3, f"only{step}": 1.0}, step)
    whole.save()
    for step in range(3):
        first.log_metrics({"loss": step / 3, f"only{step}": 1.0}, step)
    first.save()

    second = CsvLogger(tmp_path / "cut")
    second.go_on(2)
    for step in (2, 3):
        second.log_metrics({"loss": step / 3, f"only{step}": 1.0}, step)
    second.finalize("finished")

    assert second.path.read_bytes() == whole.path.read_bytes()
    assert pd.read_csv(second.path).loss.tolist() == [step / 3 for step in range(4)]


def _history(folder: Path) -> list[tuple[int, float]]:
    wandb.teardown()  # W&B ends a run before all of it is on the disk
    found = []
    for path in sorted(folder.glob("wandb/offline-run-*/*.wandb")):  # in the order of their start
        for record in records(path):
            if record.HasField("history"):
                values = {"/".join(item.nested_key) or item.key: item.value_json for item in record.history.item}
                found.append((record.history.step.num, float(values["loss"])))
    return found


@pytest.mark.parametrize("goes_on", [True, False])
def test_wandb_goes_on_in_the_same_run_with_what_it_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, goes_on: bool
) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    first = WandbLogger(save_dir=tmp_path, project="test")
    for step in range(3):
        first.log_metrics({"loss": step / 3}, step)
    first.save()
    at_wandb(close_run, "failed")
    wandb.teardown()  # what goes on is another process
    (lost,) = tmp_path.glob("wandb/offline-run-*/*.wandb")
    whole = lost.read_bytes()
    while logged_steps(tmp_path, (tmp_path / "wandb_id").read_text()) > 1:
        whole = whole[:-1]
        lost.write_bytes(whole)  # as if W&B had died before it had written

    second = WandbLogger(save_dir=tmp_path, project="test")
    second.go_on(3)
    if goes_on:
        second.log_metrics({"loss": 1.0}, 3)
    at_wandb(close_run, "finished")

    assert _history(tmp_path) == [(0, 0.0), (1, 1 / 3), (2, 2 / 3), (3, 1.0)][: 4 if goes_on else 3]
    names = {path.stem for path in tmp_path.glob("wandb/offline-run-*/*.wandb")}
    assert names == {f"run-{(tmp_path / 'wandb_id').read_text()}"}, "one run"


def test_how_to_send_a_run_names_the_folders_of_all_its_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    said = list[str]()
    for step in range(2):
        logger = WandbLogger(save_dir=tmp_path, project="test")
        logger.go_on(step)
        logger.log_metrics({"loss": 1.0}, step)
        at_wandb(say_offline, said.append)
        at_wandb(close_run, "finished")
        wandb.teardown()  # what goes on is another process
        time.sleep(1)  # its folder is named by the second

    named = [sorted(Path("/").glob(line.split("sync ")[1].split(" sends")[0].lstrip("/"))) for line in said]
    folders = sorted(tmp_path.glob("wandb/offline-run-*"))
    assert len(folders) == 2 and named == [folders[:1], folders]


def test_damage_in_the_files_of_wandb_is_said_and_hides_what_is_damaged_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    logger = WandbLogger(save_dir=tmp_path, project="test")
    for step in range(3):
        logger.log_metrics({"loss": step / 3, "text": "x" * 40_000}, step)  # more than a block
    at_wandb(close_run, "finished")
    wandb.teardown()
    (path,) = tmp_path.glob("wandb/offline-run-*/*.wandb")
    whole, generator = path.read_bytes(), np.random.default_rng(0)
    known = [record.SerializeToString() for record in records(path)]

    for place in generator.integers(7, len(whole), 100):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << int(generator.integers(8))
        path.write_bytes(damaged)
        caplog.clear()
        found = [record.SerializeToString() for record in records(path)]

        assert set(found) <= set(known), "nothing is made up"
        assert logged_steps(tmp_path, logger.experiment.id) <= 3
        assert found == known or "damaged" in caplog.text or place >= len(whole) - 32768


def test_wandb_that_dies_is_said_once_and_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    logger = WandbLogger(save_dir=tmp_path, project="test")
    logger.log_metrics({"loss": 0.0}, 0)
    processes = subprocess.run(["ps", "-ww", "-eo", "pid,args"], capture_output=True, text=True, check=True).stdout
    (service,) = [line for line in processes.splitlines() if "wandb-core" in line and f"--pid {os.getpid()}" in line]
    process_id = int(service.split()[0])
    os.kill(process_id, signal.SIGKILL)
    for process in gc.get_objects():
        if type(process) is subprocess.Popen and process.pid == process_id:
            process.wait()  # W&B does not, and Python would warn of it
    time.sleep(0.5)

    with caplog.at_level(logging.WARNING):
        for step in range(1, 4):
            logger.log_metrics({"loss": 0.0}, step)
        at_wandb(close_run, "finished")
        time.sleep(0.5)
        said = len(caplog.records)
        print("what is printed later is not sent there either")
        time.sleep(0.5)

    (died,) = [record.message for record in caplog.records if "W&B died" in record.message]
    assert caplog.records[said:] == []
    assert Path(died.split("wandb sync ")[1].split(" sends")[0]) in tmp_path.glob("wandb/offline-run-*")
    assert logger.logged == 4


def test_wandb_that_cannot_be_reached_is_logged_offline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("WANDB_API_KEY", "a" * 40)
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("WANDB_INIT_TIMEOUT", "3")

    with caplog.at_level(logging.WARNING):
        logger = WandbLogger(save_dir=tmp_path, project="test")
        logger.log_metrics({"loss": 0.5}, 0)
        at_wandb(close_run, "finished")

    assert "no connection" in caplog.text and "wandb sync" in caplog.text
    assert _history(tmp_path) == [(0, 0.5)]


def test_wandb_without_a_key_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.delenv("WANDB_MODE", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))

    with pytest.raises(InputError, match=r"logger=wandb: No API key .*WANDB_MODE=offline"):
        WandbLogger(save_dir=tmp_path, project="test").log_metrics({"loss": 0.5}, 0)


def test_wandb_keeps_the_number_of_lines_that_are_damaged_or_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(WandbLogger, "_send", lambda logger: None)
    first = WandbLogger(save_dir=tmp_path)
    for step in range(3):
        first.log_metrics({"loss": step + 0.5}, step)
    first.save()
    journal = tmp_path / "wandb_lines.jsonl"
    journal.write_text(journal.read_text().replace("1.5", "1.4"))

    second = WandbLogger(save_dir=tmp_path)
    second.go_on(4)

    assert [line.get("loss") for line in second._lines] == [0.5, None, 2.5, None]
    assert "2 of the 4 lines that were logged before are lost" in caplog.text


def test_the_name_of_a_job_says_data_model_and_seed(tmp_path: Path) -> None:
    of_run = {"save_dir": tmp_path, "project": "test", "run_name": "objects small_vgg seed 1"}

    names = [
        WandbLogger(**of_run, **more)._wandb_init["name"]
        for more in ({}, {"sweep": "runs/models", "job": "3"}, {"sweep": "runs/models", "job": "3", "name": "mine"})
    ]

    assert names == ["objects small_vgg seed 1", "objects small_vgg seed 1, job 3", "mine"]


def test_csv_keeps_what_is_whole_of_a_damaged_file_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = CsvLogger(tmp_path)
    for step in range(3):
        first.log_metrics({"loss": step / 4}, step)
    first.save()
    first.path.write_text(first.path.read_text().replace("0.25", "0.z5"))

    second = CsvLogger(tmp_path)
    second.go_on(5)
    second.log_metrics({"loss": 1.0}, 5)
    second.save()

    assert pd.read_csv(second.path).loss.isna().tolist() == [False, True, False, False]
    assert "metrics.csv: damaged, kept as metrics.csv.damaged" in caplog.text and "2 of the 5 lines" in caplog.text


class _Server:
    """A `wandb.Run` online, whose server has some steps."""

    offline, id, sweep_id = False, "abc", None

    def __init__(self, starting_step: int) -> None:
        self.starting_step = starting_step
        self.steps: list[int] = []

    def define_metric(self, *args: object, **options: object) -> None:
        """Nothing."""

    def log(self, line: object, *, step: int, commit: bool) -> None:
        assert commit
        self.steps.append(step)


def _journal(folder: Path, lines: int) -> None:
    """What a process leaves that logged so many lines and was killed."""
    logger = WandbLogger(save_dir=folder, id="abc", experiment=_Server(0))
    for step in range(lines):
        logger.log_metrics({"loss": step / 3}, step)
    logger.save()


@pytest.mark.parametrize(("server_has", "sent"), [(2, [2, 3, 4, 5]), (4, [4, 5]), (5, [5]), (0, [0, 1, 2, 3, 4, 5])])
def test_online_a_run_goes_on_with_the_first_step_that_its_server_lacks(
    tmp_path: Path, server_has: int, sent: list[int]
) -> None:
    _journal(tmp_path, 4)
    server = _Server(server_has)

    second = WandbLogger(save_dir=tmp_path, id="abc", experiment=server)
    second.go_on(4)
    for step in (4, 5):
        second.log_metrics({"loss": 1.0}, step)

    assert server.steps == sent


def _offline(folder: Path, steps: range, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Log some steps offline as the process of a run; return its file."""
    monkeypatch.setenv("WANDB_MODE", "offline")
    before = set(folder.glob("wandb/*run-[0-9]*/*.wandb"))
    logger = WandbLogger(save_dir=folder, project="test", id="abc")
    logger.go_on(steps.start)
    for step in steps:
        logger.log_metrics({"loss": step / 3}, step)
    logger.save()
    at_wandb(close_run, "finished")
    wandb.teardown()
    (made,) = set(folder.glob("wandb/*run-[0-9]*/*.wandb")) - before
    return made


def test_what_lies_offline_when_a_run_goes_on_online_comes_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    offline, server = _offline(tmp_path, range(3), monkeypatch), _Server(0)

    second = WandbLogger(save_dir=tmp_path, id="abc", experiment=server)
    second.go_on(3)
    second.log_metrics({"loss": 1.0}, 3)

    assert server.steps == [0, 1, 2, 3]
    assert offline.with_suffix(".wandb.synced").exists(), "wandb sync passes it over"
    assert "its steps are sent again" in caplog.text


def test_what_was_logged_online_is_not_logged_again_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = _offline(tmp_path, range(3), monkeypatch)
    first.parent.rename(first.parent.with_name(first.parent.name.removeprefix("offline-")))  # as one online

    second = _offline(tmp_path, range(3, 5), monkeypatch)

    steps = [record.history.step.num for record in records(second) if record.HasField("history")]
    assert steps == [3, 4]
