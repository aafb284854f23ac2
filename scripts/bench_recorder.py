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
from collections.abc import Callable

import torch
from rich.console import Console
from rich.table import Table
from torch import nn
from torchvision.models.feature_extraction import create_feature_extractor

from pdtrain.activations.layers import Layer, trace_layers
from pdtrain.activations.recorder import Recorder
from pdtrain.training.models import torchvision_model

_BATCH = 20
_PIXELS = 224
_EXTRACTED = 60
_RUNS = {
    "bare": "bare forward pass",
    "extractor": "torchvision feature extractor, keeping everything *",
    "1.0": "recorder, budget 1 GiB",
    "0.25": "recorder, budget 0.25 GiB",
}


def main() -> None:
    """Print one table: the bare forward pass, torchvision's extractor keeping everything, and two budgets of ours."""
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
    for run, name in _RUNS.items():
        found = _in_a_process(run, arguments.images)
        bare = bare or found
        over = found["peak_gib"] - bare["peak_gib"]
        if run == "extractor":
            over *= arguments.images / _EXTRACTED
        peak = bare["peak_gib"] + over
        cells = [f"{found['seconds']:.0f}", f"{peak:.2f}", f"{over:.2f}" if over else ""]
        table.add_row(name, *cells, *found["notes"])
    console = Console(width=120)
    console.print(table)
    console.print(f"* seconds and memory over bare extrapolated from {_EXTRACTED} images")


def _in_a_process(run: str, images: int) -> dict:
    command = [sys.executable, __file__, "--run", run, "--images", str(images)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def _pass(run: str, images: int) -> dict:
    """One pass over the images; a bare one needs few batches to reach its peak, and is scaled to all."""
    shown = {"bare": 10 * _BATCH, "extractor": _EXTRACTED}
    model, seen = _model(), min(images, shown.get(run, images))
    stimuli = torch.rand(seen, 3, _PIXELS, _PIXELS, generator=torch.Generator().manual_seed(0))
    # the images themselves are the user's: every pass holds all of them
    rest = torch.zeros(images - seen, 3, _PIXELS, _PIXELS).add_(0.5)
    started = time.perf_counter()
    notes = ["", ""]
    if run == "bare":
        with torch.no_grad():
            for start in range(0, seen, _BATCH):
                model(stimuli[start : start + _BATCH])
    elif run == "extractor":
        kept = [_extractor(model, _layers(model))(stimuli[s : s + _BATCH]) for s in range(0, seen, _BATCH)]
        notes = [f"{len(kept[0])} of {len(kept[0])}", ""]
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
    outputs = _extractor(model, [r.layer for r in responses])(stimuli[:4])
    same = [
        torch.allclose(outputs[r.layer.name].flatten(1)[:, r.units], r.unit_responses[:4], atol=1e-5)
        for i, r in enumerate(responses)
        if r.layer.kind == "pooling" or i == len(responses) - 1  # the extractor's others are changed in place later
    ]
    return f"equal in {sum(same)} of {len(same)}"


def _extractor(model: nn.Module, layers: list[Layer]) -> Callable[[torch.Tensor], dict[str, torch.Tensor]]:
    names = {layer.module: layer.name.replace(".", "_") for layer in layers}
    extract = torch.no_grad()(create_feature_extractor(model, names))
    return lambda images: {layer.name: value for layer, value in zip(layers, extract(images).values(), strict=True)}


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
