"""Wrong configurations and files through the command line: one line that names the key, and nothing half-written."""

import gzip
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hydra.core.global_hydra import GlobalHydra
from PIL import Image

from pdtrain.commands import probe, report, train

_TINY = [
    "data.training_images=64", "data.validation_images=100", "stimuli.count=100", "data.pixels=16",
    "trainer.max_epochs=1", "report=false", "+trainer.enable_progress_bar=false",
]  # fmt: skip

# what the user gives, and what the line must say
_TRAIN = [
    ("seed=x", "seed=x: a whole number"),
    ("seed=1.5", "seed=1.5: a whole number"),
    ("seed=null", "seed=null: a whole number"),
    ("seed=-1", "seed=-1"),
    ("seed=4294967296", "seed=4294967296: give a whole number from 0 to 4294967295"),
    ("data.seed=1e2", "data.seed=100.0: give a whole number"),
    ("data.split_seed=10000000000000000000000000", "data.split_seed=10000000000000000000000000: give a whole number"),
    ("probes.seed=10000000000000000000000000", "probes.seed=10000000000000000000000000: give a whole number"),
    ("data.training_images=100000000000000", "memory does not suffice (can't allocate memory: you tried to"),
    ("trainer.max_epochs=abc", "trainer.max_epochs=abc"),
    ("trainer.max_epochs=2.5", "trainer.max_epochs=2.5"),
    ("trainer.max_epochs=-3", "trainer.max_epochs=-3"),
    ("trainer.max_epochs", "did you mean: pdtrain-train data.training_images=64"),
    ("trainer.max_epoch=3", "trainer.max_epoch: no such key; did you mean trainer.max_epochs"),
    ("trainer.devices=0", "trainer.devices=0: give how many"),
    ("trainer.accelerator=quantum", "trainer.accelerator=quantum: no such accelerator"),
    ("trainer=cluster", "trainer=cluster: no such choice"),
    ("trainer.precision=3", "trainer.precision=3: no such precision"),
    ("trainer.gradient_clip_val=abc", "trainer.gradient_clip_val=abc: give a number"),
    ("trainer.val_check_interval=30", "trainer.val_check_interval=30: the batches of an epoch are 1"),
    ("+trainer.colour=red", "trainer.colour: no such argument of pytorch_lightning.Trainer"),
    ("optimizer=nadam", "optimizer=nadam: no such choice"),
    ("optimizer.lr=fast", "optimizer.lr=fast: a number"),
    ("optimizer.lr=-1", "optimizer.lr=-1: give 0 or more"),
    ("optimizer.weight_decay=-1", "optimizer.weight_decay=-1"),
    ("+optimizer.colour=red", "optimizer.colour: no such argument of torch.optim.AdamW"),
    ("scheduler=never", "scheduler=never: no such choice"),
    ("+scheduler.pct_start=7", "scheduler"),
    ("data=cifar1000", "data=cifar1000: no such choice"),
    ("data.batch_size=0", "data.batch_size=0"),
    ("data.batch_size=big", "data.batch_size=big"),
    ("data.workers=-1", "data.workers=-1"),
    ("data.subset=0", "data.subset=0"),
    ("data.subset=many", "data.subset=many"),
    ("data.validation_fraction=2", "data.validation_fraction=2"),
    ("data.geometric=2", "data.geometric=2"),
    ("data.photometric=-1", "data.photometric=-1"),
    ("data.random_resized_crop=2", "data.random_resized_crop=2"),
    ("data.prefetch_factor=0", "data.prefetch_factor=0"),
    ("label_smoothing=1.5", "label_smoothing=1.5"),
    ("data.flip=maybe", "data.flip=maybe: true or false"),
    ("data.shuffled_labels=2", "data.shuffled_labels=2"),
    ("data.standard_deviation=0", "data.standard_deviation=0"),
    ("data.identities=0", "data.identities=0"),
    ("data.pixels=0", "data.pixels=0"),
    ("data.training_images=0", "data.training_images=0"),
    ("data.validation_images=-1", "data.validation_images=-1"),
    ("data.transformations.position=far", "data.transformations.position=far"),
    ("data.transformations.size=[0.6]", "data.transformations.size"),
    ("+data.transformations.colour=1", "data.transformations=colour: no such transformation"),
    ("data.transformations={position:", "no viable alternative"),
    ("trainer.accelerator=tpu", "trainer.accelerator=tpu: there is none here"),
    ("model=vgg17", "model=vgg17: no such choice"),
    ("model.network.widths=[]", "model.network.widths"),
    ("model.network.widths=[0]", "model.network.widths"),
    ("model.network.widths=[a]", "model.network.widths=a"),
    ("model.network.hidden=0", "model.network.hidden=0"),
    ("model.network.dropout=3", "model.network.dropout=3"),
    ("model=torchvision", "model.network.name: a value is needed"),
    ("model=torchvision model.network.name=resnet19", "model.network.name=resnet19"),
    ("model=resnet18 model.network.weights=BEST", "model.network.weights=BEST"),
    ("model=vgg16", "data.pixels=16: the image is too small"),
    ("layers.names=5", "layers.names=5"),
    ("layers.names=[conv9]", "layers.names=conv9: no such layer"),
    ("layers.names=[]", "layers.names"),
    ("layers.recipe=stage", "layers.recipe=stage: no such recipe; did you mean stages?"),
    ("layers.recipe=5", "layers.recipe=5"),
    ("layers.reduce=center", "layers.reduce=center: no such reduction; did you mean centre?"),
    ("layers.reduce=class_token", "layers.reduce=class_token: no layer of this network has one"),
    ("layers.max_units=0", "layers.max_units=0"),
    ("layers.memory_bytes=10", "layers.memory_bytes=10: too little"),
    ("stimuli=films", "stimuli=films: no such choice"),
    ("stimuli.count=0", "stimuli.count=0"),
    ("stimuli.count=5000", "stimuli.count=5000"),
    ("stimuli=training stimuli.count=100", "stimuli.count=100: choose from 1 to 64, the number of training images"),
    ("stimuli=training stimuli.count=64 stimuli.labels=both", "stimuli.labels=both: choose trained or true"),
    ("callbacks.training_accuracy.when=never", "callbacks.training_accuracy.when=never: choose shuffled or always"),
    ("stimuli=objects stimuli.identities=0", "stimuli.identities=0"),
    ("stimuli=objects_factorial stimuli.levels={colour:[1]}", "stimuli.levels"),
    ("layers.batch_size=0", "layers.batch_size=0"),
    ("probes.index_property=beauty", "probes.index_property=beauty"),
    ("probes.intrinsic_dimension.estimators=[three_nn]", "estimators=three_nn: no such estimator"),
    ("probes.intrinsic_dimension.estimators=[]", "probes.intrinsic_dimension.estimators"),
    ("probes.intrinsic_dimension.subsample_fraction=2", "subsample_fraction=2"),
    ("probes.intrinsic_dimension.resamplings=-1", "resamplings=-1"),
    ("probes.intrinsic_dimension.scales=-1", "scales=-1"),
    ("probes.intrinsic_dimension.projected_features=0", "projected_features=0"),
    ("probes.unit_information.properties=[luminence]", "did you mean luminance"),
    ("probes.unit_information.bins=1", "bins=1"),
    ("probes.unit_information.bins=50", "stimuli.count: 100 stimuli, and information with 50 bins of 10 or more"),
    ("stimuli=objects_factorial stimuli.identities=2 probes.unit_information.bins=50", "stimuli.levels: 324 stimuli"),
    ("probes.unit_information.correction=best", "correction=best"),
    ("probes.unit_information.shuffles=-5", "shuffles=-5"),
    ("probes.object_information.bins=1", "bins=1"),
    ("+probes.unit_information.colour=1", "probes.unit_information"),
    ("probes=full probes.discriminability.folds=1", "folds=1"),
    ("callbacks.probing.schedule.every_epochs=0", "every_epochs=0"),
    ("callbacks.probing.schedule.log_spaced_steps=0", "log_spaced_steps=0"),
    ("callbacks.probing.on_error=shrug", "on_error=shrug"),
    ("callbacks.checkpoint.mode=best", "callbacks.checkpoint"),
    ("logger=tensorboard", "logger=tensorboard: no such choice"),
    ("experiment=everything", "experiment=everything: no such choice"),
    ("resume=maybe", "resume=maybe: give auto"),
    ("ckpt_path=/nowhere.ckpt", "ckpt_path=/nowhere.ckpt: no such file"),
    ("hydra.run.dir=/proc/nowhere", "/proc/nowhere"),
    ("paths.data=/proc/nowhere", "/proc/nowhere"),
    ("compile=perhaps", "compile=perhaps: true or false"),
    ("data=imagefolder", "data.root: a value is needed"),
    ("data=imagefolder data.root=3", "data.root=3: a path is needed"),
    ("callbacks.checkpoint.monitor=val/foo", "monitor=val/foo: no such metric of an epoch; did you mean val/loss?"),
    ("callbacks.checkpoint.monitor=train/loss", "train/loss_epoch"),
    ("sweep.metric=val/foo", "sweep.metric=val/foo: no such metric; did you mean val/loss?"),
    ("sweep.metric=accuracy", "sweep.metric=accuracy: no such metric; did you mean val/accuracy?"),
    ("sweep.metric=index/distilation", "did you mean index/distillation?"),
    ("-m seed=1,x", "seed=x: a whole number is needed, such as 0 (job 1 of the sweep, 1 of 2 refused)"),
    ("-m seed=-1,-2", "seed=-1: give 0 or more"),
    ("-m seed=0 data.batch_size=0,-1", "data.batch_size=0"),
    ("-m data.batch_size=1,2 sweep.metric=val/foo", "sweep.metric=val/foo"),
    ("-m data.batch_size=1,2 data=imagefolder", "data.root: a value is needed"),
]  # fmt: skip


def _left(folder: Path) -> list[str]:
    """Files and folders of a run: all but data that were made or fetched, which the next run takes."""
    every = sorted(str(path.relative_to(folder)) for path in folder.glob("**/*"))
    return [path for path in every if path.partition("/")[0] != "data"]


def _tiny(given: str) -> list[str]:
    """What makes the run small, but for what is given or would not exist."""
    kept = [option for option in _TINY if option.partition("=")[0] not in given]
    if "data=" in given:
        kept = [option for option in kept if "_images" not in option]
    return [option for option in kept if "factorial" not in given or "stimuli" not in option]


@pytest.mark.parametrize(("given", "said"), _TRAIN, ids=[given for given, _ in _TRAIN])
def test_wrong_values_of_training(given: str, said: str, refuse: Callable[..., str], tmp_path: Path) -> None:
    line = refuse("pdtrain-train", train.main, [*_tiny(given), *given.split(" ")])

    assert said in line
    assert _left(tmp_path) == []


def _image_folder(path: Path) -> Path:
    for index in range(8):
        folder = path / f"class{index % 2}"
        folder.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (16, 16), (index, 0, 0)).save(folder / f"{index}.png")
    return path


def _torn_image(path: Path) -> str:
    (_image_folder(path / "images") / "class0" / "bad.png").write_bytes(b"\x89PNG no image")
    return f"stimuli=imagefolder stimuli.root={path}/images stimuli.count=9"


def _empty_folder(path: Path) -> str:
    (path / "empty").mkdir()
    return f"data=imagefolder data.root={path}/empty"


def _text_as_checkpoint(path: Path) -> str:
    (path / "bad.ckpt").write_text("no checkpoint")
    return f"ckpt_path={path}/bad.ckpt"


def _torn_checkpoint(path: Path) -> str:
    torch.save({"state_dict": {"a": torch.zeros(1000)}}, path / "torn.ckpt")
    (path / "torn.ckpt").write_bytes((path / "torn.ckpt").read_bytes()[:2000])
    return f"ckpt_path={path}/torn.ckpt"


def _list_as_checkpoint(path: Path) -> str:
    torch.save([1, 2], path / "list.ckpt")
    return f"ckpt_path={path}/list.ckpt"


def _state_dict_as_checkpoint(path: Path) -> str:
    torch.save({"a": torch.zeros(1)}, path / "weights.pth")
    return f"ckpt_path={path}/weights.pth"


def _few_stimuli(path: Path) -> str:
    _image_folder(path / "shown")
    return f"stimuli=imagefolder stimuli.root={path}/shown stimuli.count=100"


_FILES = [
    (_torn_image, "bad.png: corrupt image file"),
    (_empty_folder, "empty, or a folder in it is"),
    (_text_as_checkpoint, "bad.ckpt: damaged, or no checkpoint"),
    (_torn_checkpoint, "torn.ckpt: damaged, or no checkpoint"),
    (_list_as_checkpoint, "holds a list"),
    (_state_dict_as_checkpoint, "no Lightning checkpoint"),
    (_few_stimuli, "8 images found, stimuli.count=100 asked for"),
]


@pytest.mark.parametrize(("make", "said"), _FILES, ids=[make.__name__ for make, _ in _FILES])
def test_wrong_files_of_training(make: Callable, said: str, refuse: Callable[..., str], tmp_path: Path) -> None:
    given = make(tmp_path)
    before = _left(tmp_path)
    line = refuse("pdtrain-train", train.main, [*_tiny(given), "hydra.run.dir=a/b", *given.split(" ")])

    assert said in line
    assert _left(tmp_path) == before


def test_a_damaged_data_file(refuse: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(bytes(100))[:-9])
    monkeypatch.setattr("pdtrain.training.image_sets.DEBIAN_FASHION_MNIST", tmp_path)

    line = refuse("pdtrain-train", train.main, ["data=fashion_mnist", "hydra.run.dir=run"])

    assert "train-images-idx3-ubyte.gz: damaged file" in line


def _run_with(path: Path, **files: str) -> str:
    (path / "run").mkdir()
    for name, content in files.items():
        file = path / "run" / name.replace("__", "/").replace("_dot_", ".")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    return f"run_dir={path}/run"


_OTHERS = [
    ("probe", lambda path: "", "run_dir: give run_dir="),
    ("probe", lambda path: "run_dir=/nowhere", "run_dir=/nowhere: no run there"),
    ("probe", lambda path: "state_dict=/nowhere.pth", "out: give out="),
    ("probe", lambda path: "run_dir=x probe_set=training", "probe_set=training"),
    ("probe", lambda path: "run_dir=x force=perhaps", "force=perhaps: true or false"),
    ("probe", lambda path: "run_dir=x probes=none", "probes=none: no such choice"),
    ("probe", lambda path: "run_dirs=x", "run_dirs: no such key; did you mean run_dir?"),
    ("probe", lambda path: _run_with(path, run_dot_yaml="a: [1"), "run.yaml"),
    ("probe", lambda path: _run_with(path, run_dot_yaml="a: 1"), "run.yaml"),
    ("report", lambda path: "", "run_dir: a value is needed"),
    ("report", lambda path: "run_dir=/nowhere", "run_dir=/nowhere: no results"),
    ("report", lambda path: _run_with(path, **{"results__epoch=0000-step=00000000_dot_rows_dot_parquet": "torn"}),
     "epoch=0000-step=00000000.rows.parquet: damaged"),
]  # fmt: skip


@pytest.mark.parametrize(("which", "make", "said"), _OTHERS)
def test_wrong_input_of_the_other_commands(
    which: str, make: Callable[[Path], str], said: str, refuse: Callable[..., str], tmp_path: Path
) -> None:
    main = {"probe": probe.main, "report": report.main}[which]
    given = make(tmp_path).split()
    before = _left(tmp_path)

    line = refuse(f"pdtrain-{which}", main, given)

    assert said in line
    assert _left(tmp_path) == before


@pytest.mark.parametrize("there", [[], ["empty/"], ["mine/notes.log", "mine/results/"], ["mine/train.log"]])
@pytest.mark.parametrize("folder", [".", "mine", "mine/run", "empty", "new/run"])
def test_what_was_there_stays(there: list[str], folder: str, refuse: Callable[..., str], tmp_path: Path) -> None:
    for name in there:
        path = tmp_path / name
        (path if name.endswith("/") else path.parent).mkdir(parents=True, exist_ok=True)
        if not name.endswith("/"):
            path.write_text("mine")
    before = _left(tmp_path)

    refuse("pdtrain-train", train.main, ["seed=x", f"hydra.run.dir={folder}"])

    assert _left(tmp_path) == before


def test_a_sweep_whose_every_job_is_wrong_leaves_nothing(refuse: Callable[..., str], tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="Error executing job"):  # Hydra says a line of its own
        refuse("pdtrain-train", train.main, ["-m", *_tiny(""), "seed=0,1", "layers.names=[conv9]"])

    assert _left(tmp_path) == []


_LOGS_MORE = """
import pytorch_lightning as lightning

class LogsMore(lightning.Callback):
    def on_validation_epoch_end(self, trainer, pl_module):
        pl_module.log("val/mine", 1.0)
"""


def test_what_a_callback_of_ones_own_logs_may_be_monitored(refuse: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "logs_more.py").write_text(_LOGS_MORE)
    more = ["+callbacks.more._target_=logs_more.LogsMore", "hydra.run.dir=run", "callbacks=no_probes"]
    stopping = "+callbacks.stopping={_target_: pytorch_lightning.callbacks.EarlyStopping, monitor: val/mime}"

    line = refuse("pdtrain-train", train.main, [*_tiny(""), *more, "callbacks.checkpoint.monitor=val/mine", stopping])

    assert "callbacks.stopping.monitor=val/mime: no such metric is logged; did you mean val/mine?" in line


def test_stimuli_too_few_for_probes_are_enough_where_nothing_is_probed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    given = ["callbacks.probing=null", "stimuli.count=20", "hydra.run.dir=run"]
    monkeypatch.setattr(sys, "argv", ["pdtrain-train", *_tiny("stimuli.count"), *given])
    GlobalHydra.instance().clear()

    train.main()

    assert '"finished"' in (tmp_path / "run" / "status.json").read_text()


def test_a_status_file_from_elsewhere_is_no_reason_to_fail(tmp_path: Path) -> None:
    from pdtrain.results.status import is_running

    status = {"state": "running", "process": 1, "started": None, "host": "elsewhere"}
    (tmp_path / "status.json").write_text(json.dumps(status))

    assert is_running(tmp_path)
