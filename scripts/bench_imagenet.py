"""What training on ImageNet costs: processor time per image, of loading and of networks; the tables of docs/scale.md.

`python scripts/bench_imagenet.py`; on one thread, so that other work on the machine hardly matters.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torchvision
from PIL import Image
from torch import nn
from torchvision.transforms import v2

from pdtrain.stimuli.image_files import read_image
from pdtrain.stimuli.normalization import Normalization
from pdtrain.training.augmentation import Augmentation

_SIZE = (375, 500)  # the commonest of ImageNet


def write_images(folder: Path, count: int) -> list[Path]:
    """Write JPEG files about as large as ImageNet's: noise whose amplitude falls with frequency, as in photographs."""
    rng = np.random.default_rng(0)
    frequencies = np.hypot(np.fft.fftfreq(_SIZE[0])[:, None], np.fft.fftfreq(_SIZE[1]))
    frequencies[0, 0] = 1
    files = [folder / f"{index}.jpg" for index in range(count)]
    for file in files:
        noise = rng.standard_normal((4, *_SIZE))
        mixed = np.real(np.fft.ifft2(np.fft.fft2(noise[:1] + 0.3 * noise[1:]) / frequencies))
        mixed = (mixed - mixed.mean()) / mixed.std()
        Image.fromarray(np.clip(120 + 55 * mixed, 0, 255).astype(np.uint8).transpose(1, 2, 0)).save(file, quality=90)
    return files


def seconds_each(task: Callable[[int], object], count: int, *, repeats: int = 3) -> float:
    """Processor time of one call of `task`, of the fastest of a few rounds of `count`."""
    task(0)
    rounds = []
    for _ in range(repeats):
        began = time.process_time()
        for index in range(count):
            task(index)
        rounds.append((time.process_time() - began) / count)
    return min(rounds)


def loading(count: int) -> None:
    """Print the table of loading."""
    with tempfile.TemporaryDirectory() as folder:
        files = write_images(Path(folder), count)
        images = [read_image(file, channels=3) for file in files]
        kib = sum(file.stat().st_size for file in files) / count / 1024
        decode = seconds_each(lambda index: read_image(files[index], channels=3), count)
    crop, more = (Augmentation(random_resized_crop=0.08, flip=True, rand_augment=magnitude) for magnitude in (None, 9))
    seed, size = torch.tensor([0]), (224, 224)
    central = v2.Compose([v2.Resize(256, antialias=True), v2.CenterCrop(224)])
    cropped, normalize = (
        [central(image) for image in images],
        Normalization([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
    )
    steps = {
        f"decode a JPEG of {_SIZE[1]} x {_SIZE[0]} pixels, {kib:.0f} KiB": decode,
        "random resized crop to 224, mirror": seconds_each(lambda index: crop([images[index]], seed, size), count),
        "the same and RandAugment": seconds_each(lambda index: more([images[index]], seed, size), count),
        "resize to 256, central crop": seconds_each(lambda index: central(images[index]), count),
        "normalise": seconds_each(lambda index: normalize(cropped[index]), count),
    }
    print("| step | ms per image and core |\n|---|---|")
    for name, seconds in steps.items():
        print(f"| {name} | {1000 * seconds:.2f} |")


def networks(batch: int) -> None:
    """Print the table of networks."""
    print("| network | weights, millions | forward, s per image | forward, backward and step | ResNet-50 = 1 |")
    print("|---|---|---|---|---|")
    found = {name: _costs(torchvision.models.get_model(name), batch) for name in ("resnet18", "resnet50", "vgg16")}
    for name, (weights, forward, step) in found.items():
        relative = step / found["resnet50"][2]
        print(f"| {name} | {weights / 1e6:.1f} | {forward:.3f} | {step:.3f} | {relative:.2f} |")


def _costs(network: nn.Module, batch: int) -> tuple[int, float, float]:
    """Number of weights; seconds per image of a forward pass, and of a training step."""
    images, labels = torch.randn(batch, 3, 224, 224), torch.arange(batch)
    optimizer = torch.optim.SGD(network.parameters(), 0.1, momentum=0.9)

    def step(index: int) -> None:
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(images), labels).backward()
        optimizer.step()

    trained = seconds_each(step, 1, repeats=2)
    with torch.no_grad():
        shown = seconds_each(lambda index: network.eval()(images), 1, repeats=2)
    return sum(weights.numel() for weights in network.parameters()), shown / batch, trained / batch


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=40, help="JPEG files to load")
    parser.add_argument("--batch", type=int, default=8, help="images that a network is shown at once")
    given = parser.parse_args()
    torch.set_num_threads(1)
    loading(given.images)
    networks(given.batch)
