"""What a command imports before there is anything to do: of what takes long, nothing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

_SLOW = {
    "torch", "torchvision", "torchmetrics", "pytorch_lightning", "lightning_fabric", "pandas", "pyarrow", "numpy",
    "scipy", "sklearn", "skdim", "matplotlib", "PIL", "jinja2", "wandb", "timm", "optuna", "ray",
}  # fmt: skip
_REPORT = """
import sys
from pdtrain.commands.{command} import main
sys.argv[0] = "pdtrain-{command}"
try:
    main()
finally:
    print("imported:", *{{name.partition(".")[0] for name in sys.modules}}, file=sys.stderr)
"""
_ANSWERS = [
    ("train", ["--help"], "commonest overrides"),
    ("train", ["--cfg", "job"], "max_epochs: 8"),
    ("train", ["-sc", "install=bash"], "complete"),
    ("train", ["-sc", "query=bash"], "model=small_vgg"),
    ("train", ["trainer.max_epoch=3"], "did you mean trainer.max_epochs?"),
    ("train", ["model=vgg61"], "did you mean vgg16?"),
    ("train", ["modell=vgg16"], "did you mean model?"),
    ("train", ["seed=x"], "a whole number"),
    ("train", ["data.batch_size=0"], "data.batch_size=0"),
    ("train", ["resume=maybe", "hydra.run.dir=run"], "give auto, or null"),
    ("train", ["ckpt_path=/nowhere.ckpt", "hydra.run.dir=run"], "no such file"),
    ("train", ["hydra.run.dir=held"], "holds a run already"),
    ("train", ["+optimizer.x=1"], "optimizer.x: no such argument of torch.optim.AdamW"),
    ("train", ["stimuli=objects_factorial", "+stimuli.levels.colour=[1]"], "stimuli.levels=colour: no such"),
    ("train", ["--seed", "3"], "did you mean: pdtrain-train seed=3"),
    ("train", ["model=custom"], "model.network._target_: a value is needed"),
    ("probe", ["--help"], "probe checkpoints"),
    ("probe", ["--cfg", "job"], "probe_set: probe"),
    ("probe", ["-sc", "query=bash"], "model=small_vgg"),
    ("probe", ["run_dirs=x"], "did you mean run_dir?"),
    ("probe", [], "give run_dir="),
    ("probe", ["run_dir=/nowhere"], "no run there"),
    ("probe", ["run_dir=x", "probe_set=training"], "choose another"),
    ("probe", ["state_dict=weights.pth"], "give out="),
    ("probe", ["state_dict=weights.pth", "out=probed"], "no such file"),
    ("probe", ["responses=neurons.csv"], "give stimuli_table="),
    ("probe", ["run_dir=held", "stimuli=objects", "stimuli.transformations.position=-3"], "give 0 or more"),
    (
        "probe",
        ["run_dir=held", "stimuli=objects_factorial", "+stimuli.levels.colour=[1]"],
        "stimuli.levels=colour: no such",
    ),
    ("report", ["--help"], "write the report"),
    ("report", ["--cfg", "job"], "run_dir: ???"),
    ("report", [], "a value is needed"),
    ("report", ["run_dirs=x"], "did you mean run_dir?"),
    ("report", ["runs/fm"], "did you mean: pdtrain-report run_dir=runs/fm"),
]


def _started(command: str, arguments: list[str], folder: Path) -> tuple[str, set[str]]:
    """What a command says, and the packages that are imported when it ends."""
    line = f"pdtrain-{command} model=sm"
    environment = os.environ | {"COMP_LINE": line, "COMP_POINT": str(len(line))}
    done = subprocess.run(
        [sys.executable, "-c", _REPORT.format(command=command), *arguments],
        cwd=folder, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    said, _, imported = done.stderr.rpartition("imported:")
    return done.stdout + said, set(imported.split())


_ALL = """
import sys
from pdtrain.commands.train import main
for given in sys.argv[1:]:
    sys.argv = ["pdtrain-train", *given.split()]
    try:
        main()
    except SystemExit:
        pass
print("imported:", *{name.partition(".")[0] for name in sys.modules}, file=sys.stderr)
"""
_VALUES = [
    "channels_last=never", "label_smoothing=1", "untrained_batch_norm=none", "optimizer.lr=-0.1",
    "optimizer.weight_decay=-1", "data=mnist data.name=EMNIST", "data.validation_fraction=2",
    "data.luminance_gradient=-1", "data.geometric=2", "data.random_resized_crop=0", "data.rand_augment=31",
    "data.standard_deviation=[0.5,0]", "model.network.widths=[]", "model.network.dropout=3",
    "scheduler=warmup_cosine scheduler.warmup=1", "scheduler=step_decay scheduler.after=[2]",
    "stimuli=imagefolder stimuli.root=/nowhere", "stimuli=training stimuli.labels=both", "layers.recipe=stage",
    "layers.names=[]", "probes.intrinsic_dimension.estimators=[]",
    "layers.reduce=center", "probes.intrinsic_dimension.estimators=[two_nn,three_nn]",
    "probes.intrinsic_dimension.subsample_fraction=1", "probes.intrinsic_dimension.projected_features=0",
    "probes.unit_information.correction=best", "probes.unit_information.bins=1", "probes.object_information.bins=1",
    "probes=full probes.discriminability.folds=1", "callbacks.probing.on_error=go",
    "callbacks.probing.schedule.every_epochs=0", "callbacks.progress.mode=loud",
    "callbacks.training_accuracy.when=never", "callbacks.wandb_media.share_of_time=2", "callbacks.checkpoint.mode=best",
    "trainer.accelerator=quantum", "trainer.precision=3", "trainer.strategy=dp", "trainer.val_check_interval=1.5",
    "trainer.fast_dev_run=maybe", "trainer.min_epochs=20", "trainer.gradient_clip_algorithm=value",
    "data=imagefolder data.root=/nowhere", "data=imagefolder data.root=. data.resize=100",
    "data.subset=100000", "stimuli.count=100000", "stimuli.count=0", "trainer=ddp data.batch_size=33",
    "callbacks.checkpoint.monitor=val/foo", "sweep.metric=val/foo", "data=imagefolder data.root=3",
    "-m sweep=seeds data.geometric=2",
    "layers.memory_bytes=-1", "data.transformations.position=-3", "data.transformations.size=[2,1]",
    "stimuli=objects stimuli.transformations.contrast=[-1,1]", "stimuli=transformed stimuli.transformations.size=[0,1]",
    "data.mean=[1,2]", "data=cifar10 data.standard_deviation=[1,2]", "data=imagefolder data.root=. data.mean=[1,2]",
    "model.network.num_classes=3", "data=cifar100 model.network.num_classes=10",
    "probes.unit_information.properties=[lum]", "probes.unit_information.properties=[entropy@receptive_field]",
    "data=mnist probes.unit_information.properties=[size]", "probes.index_property=lum",
]  # fmt: skip


def test_a_value_that_cannot_be_is_refused_before_anything_that_takes_long_is_imported(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _ALL, *_VALUES], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    *said, imported = done.stderr.splitlines()

    keys = [given.split()[-1].partition("=")[0] for given in _VALUES]
    assert [line.partition(": ")[2].partition("=")[0] for line in said] == keys
    assert "hydra" in imported.split() and {*imported.split()} & _SLOW == set()


@pytest.mark.parametrize(("command", "arguments", "answer"), _ANSWERS)
def test_an_answer_imports_nothing_that_takes_long(
    command: str, arguments: list[str], answer: str, tmp_path: Path
) -> None:
    (tmp_path / "held").mkdir()
    (tmp_path / "held" / "run.yaml").write_text("data: {}\nmodel: {}\npaths: {}\n")

    said, imported = _started(command, arguments, tmp_path)

    assert answer in said
    assert "hydra" in imported and imported & _SLOW == set()


def test_a_report_needs_no_torch(tmp_path: Path) -> None:
    said, imported = _started("report", ["run_dir=/nowhere"], tmp_path)

    assert "no results" in said
    assert {"pandas", "matplotlib"} <= imported
    assert imported & {"torch", "pytorch_lightning", "wandb", "sklearn"} == set()


def test_packages_are_imported_without_what_they_offer() -> None:
    code = "import sys, pdtrain.results, pdtrain.callbacks; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert {name.partition(".")[0] for name in done.stdout.split()} & _SLOW == set()
