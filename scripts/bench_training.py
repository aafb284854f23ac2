"""What a training takes beside loops written by hand, and a folder of JPEGs beside torchvision's.

`python scripts/bench_training.py` prints the tables of docs/scale.md; `--check` fails where a ratio is above what is
promised, or got worse than those tables have it. All that is compared takes turns, so that other work on the machine
hits all alike, and each training has a process of its own, with the memory that it would have alone; `--threads 1`
counts processor time, which other work hardly changes.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as lightning
import torch
import torchvision
from hydra import compose, initialize_config_module
from numpy.typing import NDArray
from omegaconf import DictConfig, OmegaConf
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.transforms import v2

from bench_imagenet import write_images
from loops_by_hand import LOOPS, Given, InItsProcess
from pdtrain.commands.train import train
from pdtrain.training.image_sets import ImageFolderData
from pdtrain.training.labelled_images import LabelledImages
from pdtrain.training.objects_data import ObjectsData

_TURN = 25  # batches, after which the next one trains
_JPEG = "JPEGs of 500 x 375 pixels, random crops to 224, mirrored, 2 workers"
_TABLES = Path(__file__).parents[1] / "docs" / "scale.md"
_WORSE = 1.2  # times the ratio that the tables have: series of one machine lie closer together


@dataclass(frozen=True)
class Task:
    """Overrides of the default training, what loops do at random, the key of their number, and promised ratios."""

    overrides: tuple[str, ...]
    augment: tuple[nn.Module, ...] = ()
    count: str = "data.training_images"
    promised: float = 0.9
    with_probes: float | None = None  # not measured


TASKS = {
    "32 x 32 grey, the default": Task((), with_probes=1.0),
    "28 x 28 grey, shifted, scaled and turned": Task(
        ("data=fashion_mnist", "data.batch_size=64", "data.geometric=0.5", "data.validation_fraction=0.02"),
        (v2.RandomAffine(7.5, translate=(0.075, 0.075), scale=(0.925, 1.075)),),
        "data.subset",
    ),
    "32 x 32 colour, crops of the padded image, mirrored": Task(
        (f"data._target_={__name__}.ColouredObjects", "data.random_crop_padding=4", "data.flip=true"),
        (v2.RandomCrop(32, padding=4), v2.RandomHorizontalFlip()),
    ),
}
PROMISED_JPEG = 1.0


class ColouredObjects(ObjectsData):
    """Rendered objects, each in three channels that fade differently."""

    def load(self) -> tuple[LabelledImages, LabelledImages | None]:
        """As rendered, then coloured."""
        parts = super().load()
        self.shape = (3, *self.shape[1:])
        fade = torch.tensor([1.0, 0.8, 0.6]).view(1, 3, 1, 1)
        coloured = []
        for part in parts:
            assert part is not None
            images = (stack(part) * fade).to(torch.uint8)
            coloured.append(LabelledImages(images, part.labels, self.normalize, part.parameters))
        return coloured[0], coloured[1]


class Beside(lightning.Callback):
    """Has the same network trained by loops of their own, in turns with Lightning's.

    `seconds` and `batches` of each are kept when the training ends.

    Parameters
    ----------
    task
        Name among `TASKS`.
    threads
        Of torch; with one, processor time is counted.
    """

    seconds: dict[str, float]
    batches: dict[str, int]

    def __init__(self, task: str, threads: int) -> None:
        self._task, self._threads = TASKS[task], threads
        self._now = time.process_time if threads == 1 else time.perf_counter
        self._loops: dict[str, InItsProcess] = {}

    def setup(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, stage: str) -> None:
        """Begin."""
        self._began = self._now()

    def on_fit_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Make the loops."""
        began = self._now()
        network, data = pl_module.network, trainer.datamodule  # type: ignore[attr-defined]
        assert isinstance(network, nn.Module)
        given = Given(
            network=network, training=images_in_memory(data.training_set), batch_size=data.batch_size,
            validation=images_in_memory(data.validation_set), augment=self._task.augment,
            epochs=int(trainer.max_epochs or 0),
        )  # fmt: skip
        self._loops = {name: InItsProcess(loop, given, threads=self._threads) for name, loop in LOOPS.items()}
        self._began += self._now() - began

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Let the others do what has been done here."""
        if (batch_idx + 1) % _TURN == 0 or batch_idx + 1 == trainer.num_training_batches:
            self._advance(batch_idx % _TURN + 1)

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """Let the others validate for the last time."""
        self._advance(1)

    def teardown(self, trainer: Any, pl_module: Any, stage: str) -> None:
        """All is done and written."""
        Beside.seconds = {name: loop.seconds for name, loop in self._loops.items()}
        Beside.seconds |= {"ours": self._now() - self._began}
        Beside.batches = {name: loop.batches for name, loop in self._loops.items()}
        for loop in self._loops.values():
            loop.close()

    def _advance(self, batches: int) -> None:
        began = self._now()
        for loop in self._loops.values():
            loop.advance(batches)
        self._began += self._now() - began


def images_in_memory(images: LabelledImages | None) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """All images as bytes, and their labels."""
    assert images is not None
    return stack(images).numpy(), images.labels.numpy()


def stack(images: LabelledImages) -> Tensor:
    """All images as bytes."""
    return torch.stack([images.image(i) for i in range(len(images))])


def training(name: str, folder: Path, images: int, *overrides: str) -> dict[str, float]:
    """Train on so many images as a task says, with other loops beside; the seconds of each."""
    train(configured(name, folder, f"{TASKS[name].count}={images}", *overrides))
    return Beside.seconds


def configured(name: str, folder: Path, *overrides: str) -> DictConfig:
    """Compose the configuration of a task."""
    run_dir = tempfile.mkdtemp(dir=folder)
    paths = (f"paths.run_dir={run_dir}", f"paths.data={folder / 'data'}", f"paths.runs={folder}")
    quiet = ("+trainer.enable_progress_bar=false", "report=false", "trainer.max_epochs=3")
    with initialize_config_module("pdtrain.conf", version_base="1.3"):
        config = compose("train", [*paths, *quiet, *TASKS[name].overrides, *overrides])
    beside = {"_target_": f"{__name__}.Beside", "task": name, "threads": torch.get_num_threads()}
    OmegaConf.update(config, "callbacks.beside", beside, force_add=True)
    return config


def trainings(folder: Path, images: int, *overrides: str) -> Iterator[tuple[str, float, float]]:
    """Print the table of trainings; name, ratio and promise of each."""
    print("| images | plain loop, s | tuned / plain | pdtrain / plain | with default probes / plain |")
    print("|---|---|---|---|---|")
    for name, task in TASKS.items():
        seconds = training(name, folder, images, "callbacks=no_probes", *overrides)
        tuned, ours = seconds["tuned"] / seconds["plain"], seconds["ours"] / seconds["plain"]
        line = f"| {name} | {seconds['plain']:.1f} | {tuned:.2f} | {ours:.2f} |"
        yield name, ours, task.promised
        if task.with_probes is not None:
            probed = training(name, folder, images, *overrides)
            line += f" {probed['ours'] / probed['plain']:.2f}"
            yield _with_probes(name), probed["ours"] / probed["plain"], task.with_probes
        print(f"{line} |", flush=True)


def reading(folder: Path, *, files: int, rounds: int) -> tuple[str, float, float]:
    """Print how fast a folder of JPEGs is read, without any network; ratio and promise."""
    for name in ("a", "b"):
        (folder / "jpegs" / name).mkdir(parents=True)
        write_images(folder / "jpegs" / name, files // 2)
    mean, deviation = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
    options = {"random_resized_crop": 0.08, "flip": True, "mean": mean, "standard_deviation": deviation}
    data = ImageFolderData(root=str(folder / "jpegs"), validation_fraction=0.01, batch_size=32, workers=2, **options)
    data.setup()
    steps = [transforms.RandomResizedCrop(224), transforms.RandomHorizontalFlip(), transforms.ToTensor()]
    theirs = torchvision.datasets.ImageFolder(
        str(folder / "jpegs"), transforms.Compose([*steps, transforms.Normalize(mean, deviation)])
    )
    loaders = {
        "theirs": DataLoader(theirs, 32, shuffle=True, num_workers=2, persistent_workers=True),
        "ours": data.train_dataloader(),
    }
    each: dict[str, list[float]] = {name: [] for name in loaders}
    for _ in range(rounds + 1):  # the first starts the workers, and the fastest counts
        for name, loader in loaders.items():
            began = time.perf_counter()
            count = sum(len(labels) for _, labels in loader)
            each[name].append((time.perf_counter() - began) / count)
    ratio = min(each["ours"]) / min(each["theirs"])
    print("\n| read | images | pdtrain's time / that of torchvision's `ImageFolder` |\n|---|---|---|")
    print(f"| {_JPEG} | {files} | {ratio:.2f} |")
    return _JPEG, ratio, PROMISED_JPEG


def measured_before() -> dict[str, float]:
    """The ratios that docs/scale.md has, by the names of what is measured here."""
    lines = [line for line in _TABLES.read_text().splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    ratios = {name: rest for name, *rest in cells}
    found = {_JPEG: float(ratios[_JPEG][-1])}
    for name, task in TASKS.items():
        *_, ours, probed = ratios[name]
        found[name] = float(ours)
        if task.with_probes is not None:
            found[_with_probes(name)] = float(probed)
    return found


def _with_probes(name: str) -> str:
    return f"{name}, with default probes"


def _slower(name: str, ratio: float, promised: float, before: float) -> list[str]:
    """In which ways a ratio is not what it should be."""
    said = {f"promised {promised}": ratio > promised, f"{before} in docs/scale.md": ratio > _WORSE * before}
    return [f"{name}: {ratio:.2f}, {what}" for what, is_slower in said.items() if is_slower]


def main() -> int:
    """Print all; 1 if asked to check, and something is too slow."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--check", action="store_true", help="fail where a ratio is above what is promised, or worse than before"
    )
    parser.add_argument("--threads", type=int, help="of torch; as many as there are cores unless given")
    parser.add_argument("--images", type=int, default=16000, help="to train on")
    parser.add_argument("--files", type=int, default=400, help="JPEG files to read")
    parser.add_argument("overrides", nargs="*", help="of the configuration, such as trainer.max_epochs=1")
    given = parser.parse_args()
    torch.set_num_threads(given.threads or torch.get_num_threads())
    with tempfile.TemporaryDirectory() as folder:
        found = [
            *trainings(Path(folder), given.images, *given.overrides),
            reading(Path(folder), files=given.files, rounds=4),
        ]
    before = measured_before()
    slower = [line for name, ratio, promised in found for line in _slower(name, ratio, promised, before[name])]
    print("\n".join(["", "too slow:", *slower]) if slower else "\nall as promised, and as before")
    return int(given.check and bool(slower))


if __name__ == "__main__":
    sys.exit(main())
