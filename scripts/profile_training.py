"""Where the time of a training goes: shares of an epoch of the default without probes, on one thread.

`python scripts/profile_training.py` prints the table of docs/scale.md.
"""

import argparse
import tempfile
import time
from pathlib import Path

import pytorch_lightning as lightning
import torch
from torch.profiler import ProfilerActivity, profile

from bench_training import TASKS, configured
from pdtrain.commands.train import train

# parts of the names of what is called; the first that fits is taken
PARTS = {
    "convolutions, backward": ("convolution_backward",),
    "convolutions, forward": ("convolution",),
    "batch norm": ("batch_norm",),
    "ReLU": ("threshold_backward", "clamp_min"),
    "pooling": ("pool2d",),
    "linear layers and loss": ("mm", "log_softmax", "nll_loss"),
    "optimiser": ("Optimizer.step", "fused_"),
}
DATA = "enumerate(DataLoader)"
REST = "Python, Lightning, metrics, checkpoints"


class Profiled(lightning.Callback):
    """Profiles a training from its first batch to its end; `shares` of the time, by part."""

    shares: dict[str, float]

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Begin."""
        self._profile = profile(activities=[ProfilerActivity.CPU])
        self._profile.start()
        self._began = time.perf_counter()

    def on_train_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Add up what took how long."""
        total = time.perf_counter() - self._began
        self._profile.stop()
        seconds = dict.fromkeys((*PARTS, "data"), 0.0)
        for event in self._profile.key_averages():
            if event.key.startswith(DATA):
                seconds["data"] += event.cpu_time_total / 1e6
            elif part := next((part for part, names in PARTS.items() if any(n in event.key for n in names)), None):
                seconds[part] += event.self_cpu_time_total / 1e6
        seconds[REST] = total - sum(seconds.values())
        Profiled.shares = {part: value / total for part, value in seconds.items()}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=6400)
    parser.add_argument("overrides", nargs="*", help="of the configuration, such as channels_last=false")
    given = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        overrides = ("callbacks=no_probes", "trainer.max_epochs=1", f"data.training_images={given.images}")
        config = configured(next(iter(TASKS)), Path(folder), *overrides, *given.overrides)
        config.callbacks.beside = {"_target_": f"{__name__}.Profiled"}
        train(config)
    print("| part | share of the time |\n|---|---|")
    for part, share in Profiled.shares.items():
        print(f"| {part} | {100 * share:.0f}% |")


if __name__ == "__main__":
    main()
