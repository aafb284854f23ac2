"""Every kind of file of a run, damaged in every way: one line or the right result, never a traceback, never silence."""

import json
import os
import random
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hydra import compose, initialize_config_module
from omegaconf import DictConfig
from rich.console import Console

from pdtrain.checksums import from_json, json_with_checksum
from pdtrain.commands.probe import probe
from pdtrain.commands.report import report
from pdtrain.commands.train import train
from pdtrain.errors import InputError
from pdtrain.loggers.wandb_files import stored_id
from pdtrain.results.metrics import read_metrics
from pdtrain.results.reader import load
from pdtrain.results.status import is_finished, write_status
from pdtrain.results.stimuli import load_stimuli
from pdtrain.training.checkpoints import read_checkpoint, resumable_checkpoints
from pdtrain.training.resume import found_start

_TINY = [
    "data.training_images=160", "data.validation_images=100", "data.pixels=16", "stimuli.count=100",
    "trainer.max_epochs=2", "model.network.widths=[4]", "model.network.hidden=16", "+trainer.enable_progress_bar=false",
    "probes.unit_information.properties=[luminance]", "probes.object_information=null", "report=false",
]  # fmt: skip
_PAGE = (Path(__file__).parents[1] / "docs" / "trust.md").read_text()
_EPOCH_1, _EPOCH_2 = "epoch=0001-step=00000003", "epoch=0002-step=00000006"


def _flipped(content: bytes, rng: random.Random, *, bits: int) -> bytes:
    changed = bytearray(content)
    for bit in rng.sample(range(8 * len(content)), min(bits, 8 * len(content))):
        changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def _cut(content: bytes, rng: random.Random) -> bytes:
    return content[: rng.randrange(1, len(content))]


DAMAGES: dict[str, Callable[[bytes, random.Random], bytes]] = {
    "one bit": partial(_flipped, bits=1),
    "100 bits": partial(_flipped, bits=100),
    "cut": _cut,
    "its last byte": lambda content, rng: content[:-1],
    "empty": lambda content, rng: b"",
    "zeros": lambda content, rng: bytes(len(content)),
    "words": lambda content, rng: b"these are words\nand no such file\n",
    "a picture": lambda content, rng: b"\x89PNG\r\n\x1a\n" + rng.randbytes(500),
}


@dataclass(frozen=True)
class Outcome:
    """What a reader gave, and what it said; its error if it ended with one."""

    result: Any
    said: str
    error: Exception | None = None


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny finished run with a probe set, to be left as it is."""
    run_dir = train(_configuration(tmp_path_factory.mktemp("shared") / "run"))
    _probe(run_dir, "ckpt_path='epoch=000[01]*'")
    (run_dir / "wandb_id").unlink(missing_ok=True)
    stored_id(run_dir)
    lines = [{"epoch": epoch, "val/accuracy": epoch / 3} for epoch in range(3)]
    (run_dir / "wandb_lines.jsonl").write_text("".join(json_with_checksum(line) + "\n" for line in lines))
    return run_dir


def _probe(run_dir: Path, *overrides: str) -> list[Path]:
    given = [f"run_dir={run_dir}", *overrides]
    with initialize_config_module("pdtrain.conf", version_base="1.3"):
        return probe(compose("probe", given), given)


def _probed(run_dir: Path) -> pd.DataFrame:
    """Measure the last epoch beside those that are measured."""
    _probe(run_dir)
    return load(run_dir, probe_set="probe")


def _reported(run_dir: Path) -> str:
    with initialize_config_module("pdtrain.conf", version_base="1.3"):
        page = report(compose("report", [f"run_dir={run_dir}"]))
    return page.read_text()


@cache
def _composed() -> DictConfig:
    with initialize_config_module("pdtrain.conf", version_base="1.3"):
        return compose("train", [*_TINY, "resume=auto"])


def _configuration(run_dir: Path) -> DictConfig:
    config = _composed().copy()
    config.paths.run_dir, config.paths.data, config.paths.runs = map(str, (run_dir, run_dir / "data", run_dir.parent))
    return config


def _start(run_dir: Path) -> tuple[str, bool]:
    """What a run that was cut off goes on from."""
    if is_finished(run_dir):
        write_status(run_dir, "failed")
    with found_start(_configuration(run_dir), Console(width=1000)) as start:
        return str(start.checkpoint.name), start.finished


def _resumed(run_dir: Path) -> dict[str, Any]:
    """Go on with the run as one that was cut off at its end."""
    if is_finished(run_dir):
        write_status(run_dir, "failed")
    train(_configuration(run_dir))
    newest = resumable_checkpoints(run_dir / "checkpoints")[0]
    return {
        "rows": load(run_dir), "units": load(run_dir, units=True), "metrics": _without_times(read_metrics(run_dir)),
        "weights": dict(read_checkpoint(newest)["state_dict"]), "finished": is_finished(run_dir),
    }  # fmt: skip


def _without_times(metrics: pd.DataFrame | None) -> pd.DataFrame | None:
    return None if metrics is None else metrics.drop(columns=[name for name in metrics if name.startswith("time/")])


def _begun(run_dir: Path) -> dict[str, Any]:
    """Begin another run from a checkpoint of this one."""
    config = _configuration(run_dir)
    config.paths.run_dir, config.ckpt_path = str(run_dir / "another"), f"{run_dir}/checkpoints/{_EPOCH_1}.ckpt"
    config.resume, config.callbacks.probing = None, None
    begun = train(config)
    return dict(read_checkpoint(begun / "checkpoints" / "last.ckpt")["state_dict"])


def _outcome(read: Callable[[], Any], capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> Outcome:
    capsys.readouterr()
    caplog.clear()
    result, error = None, None
    try:
        result = read()
    except InputError as refused:
        error = refused
    return Outcome(result, capsys.readouterr().out + caplog.text + str(error or ""), error)


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, pd.DataFrame):
        try:
            pd.testing.assert_frame_equal(one, other, rtol=1e-6)
        except AssertionError:
            return False
        return True
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    if hasattr(one, "shape"):
        return one.shape == other.shape and bool((one == other).all())
    return one == other


_FAST = list(DAMAGES)
_SLOW = ["one bit", "empty"]


@dataclass(frozen=True)
class Reader:
    """What reads, the files it reads, and what is done to them; flips and cuts so many times."""

    read: Callable[[Path], Any]
    files: list[str]
    damages: list[str]
    tries: int = 1
    mends: bool = False  # what it gives must be right, whatever it says

    def cases(self) -> Iterator[tuple[str, str, int]]:
        """File, damage and seed."""
        for file in self.files:
            for damage in self.damages:
                for seed in range(self.tries if damage in ("one bit", "100 bits", "cut") else 1):
                    yield file, damage, seed


def _state_dict(run_dir: Path) -> Any:
    return read_checkpoint(run_dir / "checkpoints" / f"{_EPOCH_1}.ckpt")["state_dict"]


def _journal(run_dir: Path) -> Any:
    """Metrics as W&B's logger keeps them, where no CSV is."""
    (run_dir / "csv" / "metrics.csv").unlink()
    return read_metrics(run_dir)


READERS = {
    "rows": Reader(load, [f"results/{_EPOCH_1}.rows.parquet"], _FAST, 8),
    "units": Reader(partial(load, units=True), [f"results/{_EPOCH_1}.units.parquet"], _FAST, 8),
    "configuration": Reader(partial(load, keys=["seed", "optimizer.lr"]), ["run.yaml"], _FAST, 4),
    "checkpoint": Reader(_state_dict, [f"checkpoints/{_EPOCH_1}.ckpt"], _FAST, 20),
    "metrics": Reader(read_metrics, ["csv/metrics.csv"], _FAST, 8),
    "journal": Reader(_journal, ["wandb_lines.jsonl"], [d for d in DAMAGES if d not in ("cut", "its last byte")], 8),
    "stimuli": Reader(load_stimuli, ["stimuli.npz"], _FAST, 8),
    "status": Reader(is_finished, ["status.json"], _FAST, 8),
    "wandb_id": Reader(stored_id, ["wandb_id"], _FAST, 8),
    "start": Reader(_start, ["checkpoints/resume-step=00000006.ckpt", "run.yaml", "status.json"], _FAST, 4),
    "resume": Reader(
        _resumed,
        ["checkpoints/resume-step=00000006.ckpt", f"results/{_EPOCH_1}.rows.parquet",
         f"results/{_EPOCH_2}.units.parquet", "status.json", "stimuli.npz", "data/objects/*.npz"],
        _SLOW, mends=True,
    ),
    "log": Reader(_resumed, ["csv/metrics.csv"], _SLOW),
    "begin": Reader(_begun, [f"checkpoints/{_EPOCH_1}.ckpt"], _SLOW),
    "report": Reader(
        _reported,
        [f"results/{_EPOCH_1}.rows.parquet", f"results/{_EPOCH_2}.units.parquet", "results/measures.json",
         "csv/metrics.csv", "run.yaml", "stimuli.npz"],
        _SLOW,
    ),
    "probe": Reader(
        _probed,
        [f"checkpoints/{_EPOCH_2}.ckpt", f"results/probe/{_EPOCH_1}.rows.parquet",
         f"results/probe/{_EPOCH_1}.units.parquet", "results/probe/probe.yaml", "results/probe/measures.json",
         "run.yaml"],
        _SLOW,
    ),
}  # fmt: skip

_OF_OLDER = ["rows", "units", "configuration", "checkpoint", "metrics", "stimuli", "status", "wandb_id"]


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("reader", READERS)
def test_every_reader_of_every_damaged_file(
    reader: str,
    finished: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    read_by = READERS[reader]
    read = read_by.read
    reference = _outcome(lambda: read(shutil.copytree(finished, tmp_path / "whole" / "run")), capsys, caplog)
    wrong = []
    for number, (file, damage, seed) in enumerate(read_by.cases()):
        run_dir = shutil.copytree(finished, tmp_path / str(number) / "run")
        path = min(run_dir.glob(file))
        path.write_bytes(DAMAGES[damage](path.read_bytes(), random.Random(seed)))

        outcome = _outcome(partial(read, run_dir), capsys, caplog)

        said = path.name in outcome.said and "Traceback" not in outcome.said and not read_by.mends
        if not (said or _is_right(outcome, reference)):
            wrong.append((file, damage, seed, outcome))
        shutil.rmtree(run_dir.parent)
    assert reference.error is None
    assert not wrong, wrong[0]


def test_nothing_waits_for_a_pipe_or_reads_a_folder_in_the_place_of_a_file(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    tried = [(reader, READERS[reader].files[0]) for reader in _OF_OLDER] + [("metrics", "csv/metrics.csv.sha256")]
    for number, (reader, file) in enumerate(tried):
        for make in (os.mkfifo, os.mkdir):
            run_dir = shutil.copytree(finished, tmp_path / f"{number} {make.__name__}" / "run")
            (run_dir / file).unlink()
            make(run_dir / file)

            try:
                outcome = _outcome(partial(READERS[reader].read, run_dir), capsys, caplog)
            except OSError as error:  # one line too
                assert error.filename
            else:
                assert "Traceback" not in outcome.said


@pytest.mark.parametrize("reader", [*READERS, "older"])
def test_the_page_says_how_many_cases_are_tried(reader: str) -> None:
    readers = _OF_OLDER if reader == "older" else [reader]
    tried = sum(len(list(READERS[name].cases())) for name in readers)

    assert re.search(rf"^\|[^|]+\| {tried} \|.*`pytest tests/test_damage.py -k {reader}` \|$", _PAGE, re.M), tried


def _is_right(outcome: Outcome, reference: Outcome) -> bool:
    return outcome.error is None and _same(outcome.result, reference.result)


def _without_checksums(run_dir: Path) -> Path:
    """The files of a run as older versions wrote them."""
    for path in run_dir.rglob("*.sha256"):
        path.unlink()
    for path in run_dir.rglob("*.parquet"):
        pd.read_parquet(path).to_parquet(path, index=False)
    for path in run_dir.rglob("*.ckpt"):
        torch.save(torch.load(path, weights_only=True), path)
    for path in run_dir.rglob("stimuli.npz"):
        arrays = dict(np.load(path))
        np.savez_compressed(path, **arrays)
    for path in run_dir.rglob("*.yaml"):
        path.write_text(path.read_text().rpartition("# ")[0])
    for path in run_dir.rglob("*.json"):
        path.write_text(json.dumps(from_json(path.read_text())))
    for path in run_dir.rglob("*.jsonl"):
        path.write_text("".join(json.dumps(from_json(line)) + "\n" for line in path.read_text().splitlines()))
    assert not any(b"pdtrain sha256" in path.read_bytes() for path in run_dir.rglob("*") if path.is_file())
    return run_dir


def test_files_of_older_versions_are_read_and_their_damage_is_no_traceback(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    older = _without_checksums(shutil.copytree(finished, tmp_path / "older"))

    for name in _OF_OLDER:
        reader = READERS[name]
        assert _same(reader.read(older), reader.read(finished)), name
        for file, damage, seed in reader.cases():
            content = (older / file).read_bytes()
            (older / file).write_bytes(DAMAGES[damage](content, random.Random(seed)))
            outcome = _outcome(partial(reader.read, older), capsys, caplog)
            if name in ("checkpoint", "stimuli"):  # torch and NumPy keep checksums of what they hold
                assert outcome.error is not None or _same(outcome.result, reader.read(finished)), (damage, seed)
            (older / file).write_bytes(content)
