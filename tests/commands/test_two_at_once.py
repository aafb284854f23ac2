"""Two commands that would write the same files: the second is refused, and nothing is mixed."""

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import torchvision
from omegaconf import DictConfig

from pdtrain import locks
from pdtrain.commands import probe, train
from pdtrain.results.configuration import save_configuration
from pdtrain.results.run_folder import RunFolder
from pdtrain.training.file_lists import list_images
from pdtrain.training.image_sets import TorchvisionData
from pdtrain.training.objects_data import ObjectsData

pytestmark = pytest.mark.usefixtures("impatient")
Hold = Callable[[Path], subprocess.Popen]
_TINY = [
    "data.training_images=64", "data.validation_images=80", "data.pixels=16", "stimuli.count=80",
    "trainer.max_epochs=2", "model.network.hidden=16", "model.network.widths=[4]", "probes.unit_information=null",
    "probes.object_information=null", "+trainer.enable_progress_bar=false", "report=false",
]  # fmt: skip


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody looks at a lock for a moment only."""
    monkeypatch.setattr(locks, "_PATIENCE", 0.05)


def _files(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.glob("**/*") if path.is_file()}


def test_of_two_trainings_started_together_one_is_refused(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pdtrain.commands.train", *_TINY, "hydra.run.dir=run", "paths.data=data"]
    command += ["callbacks=no_probes"]

    running = [
        subprocess.Popen([*command, f"seed={seed}"], cwd=tmp_path, stderr=subprocess.PIPE, text=True) for seed in (1, 2)
    ]
    errors = [process.communicate()[1] for process in running]

    codes = [process.returncode for process in running]
    assert sorted(codes) == [0, 2], errors
    (line,) = errors[codes.index(2)].splitlines()
    kept = (tmp_path / "run" / ".hydra" / "overrides.yaml").read_text()
    assert f"seed={1 + codes.index(0)}\n" in kept and f"seed={1 + codes.index(2)}\n" not in kept
    trained = running[codes.index(0)].pid
    # started so much later that the other was through, it is refused too
    allowed = (f"process {trained} on {os.uname().nodename} is training it", "holds a run already")
    assert line.startswith(f"pdtrain-train: hydra.run.dir={tmp_path}/run: ") and any(words in line for words in allowed)
    metrics = pd.read_csv(tmp_path / "run" / "csv" / "metrics.csv")
    assert len(metrics["val/accuracy"].dropna()) == 2, "of two epochs, each once"
    assert not RunFolder(tmp_path / "run").lock().exists()


_TRAININGS = [
    [], ["resume=auto"], ["resume=auto", "seed=1"], ["ckpt_path=nowhere.ckpt"], ["callbacks=no_probes"],
]  # fmt: skip


def test_no_training_is_begun_where_one_runs(lock_holder: Hold, refuse: Callable[..., str], tmp_path: Path) -> None:
    lock = RunFolder(tmp_path / "run").lock()
    holder = lock_holder(lock)
    before = _files(lock.parent)

    for given in _TRAININGS:
        line = refuse("pdtrain-train", train.main, [*_TINY, "hydra.run.dir=run", *given])

        which = f"process {holder.pid} on {os.uname().nodename}"
        assert line == (f"pdtrain-train: hydra.run.dir={tmp_path}/run: {which} is training it; wait for it, or end it")
    assert {path for path in _files(tmp_path / "run") if path.suffix != ".log"} == set(before)
    assert not (tmp_path / "data").exists(), "nothing was built"


def test_a_sweep_has_one_launcher(lock_holder: Hold, refuse: Callable[..., str], tmp_path: Path) -> None:
    holder = lock_holder(RunFolder(tmp_path / "sweep").lock())

    for given in ([], ["sweep.resume=true"], ["hydra/launcher=joblib"], ["sweep.resume=true", "layers=stages"]):
        line = refuse("pdtrain-train", train.main, ["-m", "seed=1,2", *_TINY, "hydra.sweep.dir=sweep", *given])

        assert f"hydra.sweep.dir=sweep: process {holder.pid} on {os.uname().nodename} is running this sweep" in line
    assert os.listdir(tmp_path / "sweep") == [".lock"]


def test_a_probe_set_has_one_writer(
    configure: Callable[..., DictConfig], lock_holder: Hold, refuse: Callable[..., str], tmp_path: Path
) -> None:
    run = tmp_path / "run"
    save_configuration(run, configure())
    shutil.copytree(run, tmp_path / "sweep" / "1")
    for name in ("run", "sweep/1", "out"):
        holder = lock_holder(RunFolder(tmp_path / name).lock("mine"))
    (tmp_path / "damaged.pth").write_bytes(b"PK")  # so much is looked at before
    weights = ["model=small_vgg", "state_dict=damaged.pth", "out=out"]
    neurons = ["responses=nowhere.csv", "stimuli_table=nowhere.csv", "out=out"]
    before = _files(tmp_path)

    for given in (["run_dir=run"], ["run_dir=run", "force=true"], ["run_dir=run", "watch=true", "probes=full"],
                  ["run_dir=sweep"], weights, neurons):  # fmt: skip
        line = refuse("pdtrain-probe", probe.main, [*given, "probe_set=mine"])

        assert line.startswith("pdtrain-probe: probe_set=mine: process ") and "is writing it in" in line
    assert f"process {holder.pid} on" in line
    assert _files(tmp_path) == before
    assert locks.is_held(RunFolder(run).lock("mine")) and not locks.is_held(RunFolder(run).lock("other"))


def _killed_later(holder: subprocess.Popen) -> float:
    threading.Timer(0.7, holder.kill).start()
    return time.monotonic() + 0.5


def test_who_needs_a_cache_waits_for_who_makes_it(
    lock_holder: Hold, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = ObjectsData(root=str(tmp_path / "objects"), training_images=16, validation_images=16, pixels=16)
    data.setup()
    (first, second) = sorted((tmp_path / "objects").iterdir())
    first.unlink()
    holder = lock_holder(first.with_suffix(".lock"))
    earliest = _killed_later(holder)

    ObjectsData(root=str(tmp_path / "objects"), training_images=16, validation_images=16, pixels=16).setup()

    assert time.monotonic() > earliest
    assert sorted((tmp_path / "objects").iterdir()) == [first, second], "no lock is left"

    (tmp_path / "images" / "cat").mkdir(parents=True)
    (tmp_path / "images" / "cat" / "1.png").touch()
    os.utime(tmp_path / "images" / "cat", (1, 1))
    os.utime(tmp_path / "images", (1, 1))
    list_images(tmp_path / "images", kept=tmp_path / "lists")
    (kept,) = (tmp_path / "lists").iterdir()
    kept.unlink()
    earliest = _killed_later(lock_holder(kept.with_suffix(".lock")))

    assert len(list_images(tmp_path / "images", kept=tmp_path / "lists").names) == 1
    assert time.monotonic() > earliest and list((tmp_path / "lists").iterdir()) == [kept]

    monkeypatch.setattr(torchvision.datasets, "MNIST", lambda *args, **options: torchvision.datasets.FakeData(size=0))
    earliest = _killed_later(lock_holder(tmp_path / "mnist" / ".MNIST.lock"))
    with pytest.raises(AttributeError):  # what stands for MNIST has no images
        TorchvisionData(name="MNIST", root=str(tmp_path / "mnist")).setup()
    assert time.monotonic() > earliest
