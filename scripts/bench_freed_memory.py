"""What it saves to keep freed memory: training steps on a CPU, as the C library has it and as the commands set it.

`python scripts/bench_freed_memory.py` prints the table of docs/scale.md, in some five minutes on 2 cores. Each cell is
a process of its own, so that peak resident memory is its own; the two ways take turns.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from statistics import median

import torch
import torchvision
from torch import nn

from pdtrain.training.freed_memory import keep_freed_memory
from pdtrain.training.models import small_vgg

_STEPS, _TURNS = 6, 2
# name: images at once, their pixels and channels
NETWORKS = {
    "small_vgg": (128, 32, 1),
    "mobilenet_v2": (32, 224, 3),
    "resnet18": (32, 224, 3),
    "vgg11": (16, 224, 3),
}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cell", nargs=2, metavar=("NETWORK", "KEEP"), help="internal: do one, and print what it took")
    cell = parser.parse_args().cell
    if cell:
        print(json.dumps(_measured(cell[0], keep=cell[1] == "True")))
        return
    print("| network, images at once | given back: s a step | kept: s a step | ratio | given back: peak, GiB | kept |")
    print("|---|---|---|---|---|---|")
    for name, (images, pixels, _) in NETWORKS.items():
        found = {True: [], False: []}
        for _ in range(_TURNS):
            for keep, of_way in found.items():
                of_way.append(_in_a_process(name, keep))
        (kept, kept_gib), (given_back, gib) = (
            (min(seconds for seconds, _ in of_way), max(peak for _, peak in of_way)) for of_way in found.values()
        )
        print(
            f"| {name}, {images} of {pixels} pixels | {given_back:.3f} | {kept:.3f} | {kept / given_back:.2f} "
            f"| {gib:.2f} | {kept_gib:.2f} |",
            flush=True,
        )


def _in_a_process(name: str, keep: bool) -> tuple[float, float]:
    cell = [sys.executable, __file__, "--cell", name, str(keep)]
    seconds, peak = json.loads(subprocess.run(cell, stdout=subprocess.PIPE, text=True, check=True).stdout)
    return seconds, peak


def _measured(name: str, *, keep: bool) -> tuple[float, float]:
    """Seconds of a step, in the median after the first, and the peak of resident memory in GiB."""
    if keep and not keep_freed_memory():
        sys.exit("freed memory is not kept: the environment has chosen (MALLOC_..., GLIBC_TUNABLES), or it is no glibc")
    torch.manual_seed(0)
    images, pixels, channels = NETWORKS[name]
    made = small_vgg(10, channels) if name == "small_vgg" else getattr(torchvision.models, name)()
    network: nn.Module = made.to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(network.parameters(), fused=True)
    batch = torch.randn(images, channels, pixels, pixels).contiguous(memory_format=torch.channels_last)
    labels = torch.randint(10, (images,))
    seconds = []
    for _ in range(1 + _STEPS):
        began = time.perf_counter()
        nn.functional.cross_entropy(network(batch), labels).backward()
        optimizer.step()
        optimizer.zero_grad()
        seconds.append(time.perf_counter() - began)
    return median(seconds[1:]), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


if __name__ == "__main__":
    main()
