"""Memory and time of recording VGG-16 at 224 pixels: `python scripts/bench_recorder.py`.

About half an hour on 2 cores; `--images 200` is a quick look. Every pass runs in a process of its own, so that peak
resident memory is its own.
"""

import argparse
import json
import resource
import subprocess
import sys
import time

import torch
from rich.console import Console
from rich.table import Table
from torch import nn

from pdtrain.activations.layers import Layer, trace_layers
from pdtrain.activations.recorder import Recorder
from pdtrain.training.models import torchvision_model

_BATCH = 20
_PIXELS = 224


def main() -> None:
    """Print one table: the bare forward pass, and recording within two budgets."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--run", help="internal: run one pass and print what it took")
    arguments = parser.parse_args()
    if arguments.run:
        print(json.dumps(_pass(arguments.run, arguments.images)))
        return
    layers = _layers(_model())
    everything = 4 * arguments.images * sum(layer.units for layer in layers) / 2**30
    title = f"VGG-16, {arguments.images} images of {_PIXELS} pixels, {len(layers)} layers, batches of {_BATCH}"
    table = Table(title=f"{title}; keeping everything would take {everything:.0f} GiB")
    for column in ("pass", "seconds", "peak, GiB", "over bare, GiB", "exact layers", "unit values"):
        table.add_column(column, justify="right")
    bare: dict | None = None
    for budget in ("bare", "1.0", "0.25"):
        found = _in_a_process(budget, arguments.images)
        bare = bare or found
        name = "bare forward pass" if budget == "bare" else f"recorder, budget {budget} GiB"
        over = "" if found is bare else f"{found['peak_gib'] - bare['peak_gib']:.2f}"
        table.add_row(name, f"{found['seconds']:.0f}", f"{found['peak_gib']:.2f}", over, *found["notes"])
    Console(width=120).print(table)


def _in_a_process(run: str, images: int) -> dict:
    command = [sys.executable, __file__, "--run", run, "--images", str(images)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def _pass(run: str, images: int) -> dict:
    """One pass over the images; a bare one needs few batches to reach its peak, and is scaled to all."""
    model, seen = _model(), images if run != "bare" else min(images, 10 * _BATCH)
    stimuli = torch.rand(seen, 3, _PIXELS, _PIXELS, generator=torch.Generator().manual_seed(0))
    # the images themselves are the user's: every pass holds all of them
    rest = torch.zeros(images - seen, 3, _PIXELS, _PIXELS).add_(0.5)
    started = time.perf_counter()
    notes = ["", ""]
    if run == "bare":
        with torch.no_grad():
            for start in range(0, seen, _BATCH):
                model(stimuli[start : start + _BATCH])
    else:
        layers = _layers(model)
        recorder = Recorder(layers, images, max_units=256, memory_bytes=int(float(run) * 2**30), batch_size=_BATCH)
        responses = recorder.record(model, stimuli)
        notes = [f"{sum(not r.projected for r in responses)} of {len(layers)}", _agreement(model, stimuli, responses)]
    seconds = (time.perf_counter() - started) * images / seen
    del rest
    return {"seconds": seconds, "peak_gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, "notes": notes}


def _agreement(model: nn.Module, stimuli: torch.Tensor, responses: list) -> str:
    """Compare unit samples of a few images with torchvision's feature extractor."""
    from torchvision.models.feature_extraction import create_feature_extractor

    names = {r.layer.module: f"layer{i}" for i, r in enumerate(responses)}
    with torch.no_grad():
        outputs = create_feature_extractor(model, names)(stimuli[:4])
    same = [
        torch.allclose(outputs[f"layer{i}"].flatten(1)[:, r.units], r.unit_responses[:4], atol=1e-5)
        for i, r in enumerate(responses)
        if r.layer.kind == "pooling" or i == len(responses) - 1  # the extractor's others are changed in place later
    ]
    return f"equal in {sum(same)} of {len(same)}"


def _model() -> nn.Module:
    torch.manual_seed(0)
    return torchvision_model(1000, 3, name="vgg16").eval()


def _layers(model: nn.Module) -> list[Layer]:
    """All 13 convolutions, 5 poolings and 3 linear layers."""
    kinds = (nn.Conv2d, nn.MaxPool2d, nn.Linear)
    layers = trace_layers(model, torch.zeros(1, 3, _PIXELS, _PIXELS))[1:]
    return [layer for layer in layers if isinstance(model.get_submodule(layer.module), kinds)]


if __name__ == "__main__":
    main()
