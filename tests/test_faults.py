"""Faults of machines, data and training: what is on the disk stays valid, and one line says what happened."""

import logging
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest
import torch
from omegaconf import DictConfig
from PIL import Image

from pdtrain.commands.train import train
from pdtrain.errors import RunError
from pdtrain.probes.dimension_probe import DimensionProbe
from pdtrain.results.reader import load

Configure = Callable[..., DictConfig]
_FEW_PROBES = ["probes.unit_information.properties=[luminance]", "probes.object_information=null"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], capture_output=True)
    if mounted.returncode:
        pytest.skip("only root can mount a small disk")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture(scope="module")
def reference(kill_and_resume: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small run, left alone."""
    run_dir = tmp_path_factory.mktemp("alone") / "reference"
    kill_and_resume.finish(run_dir, "logger=csv")
    return run_dir


@pytest.mark.parametrize("room_kib", [40, 200])
def test_a_full_disk_leaves_whole_files_and_the_run_goes_on_when_there_is_room(
    kill_and_resume: ModuleType, small_disk: Path, reference: Path, tmp_path: Path, room_kib: int
) -> None:
    run_dir, options = small_disk / "run", ["logger=csv", f"paths.data={reference.parent}/data"]
    filler = small_disk / "filler"
    filler.write_bytes(bytes(1024 * (1024 - room_kib)))

    process = kill_and_resume.start(run_dir, *options, output=tmp_path / "output.txt")

    assert process.wait() == 1
    last = (tmp_path / "output.txt").read_text().strip().splitlines()[-1]
    assert last.startswith(f"pdtrain-train: {run_dir}") and "No space left on device" in last
    for path in (run_dir / "results").glob("*.parquet"):
        assert len(pd.read_parquet(path))
    for path in (run_dir / "checkpoints").glob("*.ckpt"):
        assert torch.load(path, weights_only=True)
    filler.unlink()
    subprocess.run(["mount", "-o", "remount,size=50m", str(small_disk)], check=True)
    kill_and_resume.finish(run_dir, *options)
    assert kill_and_resume.differences(run_dir, reference, wandb=False) == []


def test_an_image_that_cannot_be_read_ends_the_run_with_its_name(kill_and_resume: ModuleType, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for index in range(180):
        folder = tmp_path / "images" / ("train" if index < 96 else "val") / f"class{index % 2}"
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(256, size=(64, 64, 3), dtype=np.uint8)).save(folder / f"{index}.jpg", quality=95)
    torn = tmp_path / "images" / "train" / "class1" / "77.jpg"
    good = torn.read_bytes()
    torn.write_bytes(good[: len(good) * 3 // 4])  # its header is fine: only decoding finds out
    data = ["data=imagefolder", f"data.root={tmp_path}/images", "data.pixels=16"]
    small = [option for option in kill_and_resume.SMALL_RUN if not option.startswith(("data.", "stimuli.", "logger"))]
    command = kill_and_resume.command(tmp_path / "run", small=[*small, *data, *_FEW_PROBES, "stimuli.count=80"])

    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 2
    lines = [line for line in done.stderr.splitlines() if line.startswith("pdtrain-train")]
    assert len(lines) == 1 and str(torn) in lines[0] and "Traceback" not in done.stderr
    assert load(tmp_path / "run").epoch.max() == 0
    torn.write_bytes(good)
    subprocess.run(command, check=True, capture_output=True)
    assert load(tmp_path / "run").epoch.max() == 4


def test_a_loss_that_is_not_finite_ends_the_run_and_keeps_what_was(configure: Configure, tmp_path: Path) -> None:
    config = configure(*_FEW_PROBES, "optimizer=sgd", "optimizer.lr=1e30", "scheduler=constant")

    with pytest.raises(RunError, match=r"train loss is (nan|inf) at step \d+.*lower optimizer.lr"):
        train(config)

    assert load(tmp_path / "run").epoch.unique().tolist() == [0]


@pytest.mark.parametrize("on_error", ["stop", "warn"])
def test_probing_that_fails_stops_the_run_unless_it_is_to_warn(
    configure: Configure,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    on_error: str,
    tmp_path: Path,
) -> None:
    measure, calls = DimensionProbe.measure, []

    def fail_once(self: DimensionProbe, *arguments):
        calls.append(1)
        if len(calls) == 2:
            raise MemoryError("no more")
        return measure(self, *arguments)

    monkeypatch.setattr(DimensionProbe, "measure", fail_once)
    config = configure(*_FEW_PROBES, f"callbacks.probing.on_error={on_error}")

    if on_error == "stop":
        with pytest.raises(MemoryError):
            train(config)
    else:
        with caplog.at_level(logging.WARNING):
            train(config)
        assert "probing failed after step 3: MemoryError: no more" in caplog.text

    assert load(tmp_path / "run").epoch.unique().tolist() == ([0] if on_error == "stop" else [0, 2])
