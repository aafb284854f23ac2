"""Where things end: nothing to train, layers of millions of units, options that leave nothing to measure with."""

import json
import logging
import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from omegaconf import DictConfig
from torch import Tensor, nn

from pdtrain.activations.layers import Layer
from pdtrain.activations.recorder import Recorder
from pdtrain.callbacks import Probing, Schedule
from pdtrain.commands.build import build_network
from pdtrain.commands.train import train
from pdtrain.errors import InputError, RunError
from pdtrain.estimators.dimension import intrinsic_dimension
from pdtrain.probes.dimension_probe import DimensionProbe
from pdtrain.probes.information_probe import InformationProbe
from pdtrain.probes.object_probe import ObjectInformationProbe
from pdtrain.probes.prober import Prober
from pdtrain.results.reader import load
from pdtrain.results.rows import UNTRAINED
from pdtrain.results.store import ResultsStore
from pdtrain.stimuli.stimulus_set import StimulusSet
from pdtrain.training.checkpoints import load_network

Configure = Callable[..., DictConfig]


@pytest.mark.parametrize("given", ["trainer.max_epochs=0", "+trainer.max_steps=0", "+trainer.limit_train_batches=0"])
@pytest.mark.parametrize("untrained", ["true", "false"])
def test_a_network_that_is_not_to_be_trained_is_probed_and_reported(
    given: str, untrained: str, configure: Configure, tmp_path: Path, undrawn: None, capsys: pytest.CaptureFixture[str]
) -> None:
    few = ["probes.object_information=null", "probes.unit_information=null"]
    config = configure(given, f"callbacks.probing.schedule.untrained={untrained}", "report=true", *few)

    train(config)

    assert load(tmp_path / "run").epoch.unique().tolist() == [0]
    assert (tmp_path / "run" / "report" / "report.html").exists()
    assert json.loads((tmp_path / "run" / "status.json").read_text())["state"] == "finished"
    assert "untrained: ID" in (shown := capsys.readouterr().out) and "→" not in shown.partition("Not estimated")[0]
    network = build_network(config, SimpleNamespace(shape=(1, 16, 16), num_classes=10))
    load_network(network, tmp_path / "run" / "checkpoints" / "epoch=0000-step=00000000.ckpt")


def _stimuli(count: int, identities: int = 2) -> StimulusSet:
    images = torch.rand(count, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    return StimulusSet(images, torch.arange(count) % identities)


_FRACTIONS = [(100, 0.01), (100, 0.19), (1000, 0.001), (1000, 0.019), (20, 0.9), (21, 0.5), (40, 0.47), (999, 1e-9)]


@pytest.mark.parametrize(("count", "fraction"), _FRACTIONS)
def test_subsamples_of_too_few_stimuli_are_refused_before_training(count: int, fraction: float) -> None:
    key = f"probes.intrinsic_dimension.subsample_fraction={fraction}: leaves {round(count * fraction)} of {count}"
    with pytest.raises(InputError, match=re.escape(key)):
        DimensionProbe(subsample_fraction=fraction).check(_stimuli(count))
    DimensionProbe(subsample_fraction=fraction, resamplings=0).check(_stimuli(count))


@pytest.mark.parametrize(("count", "fraction"), [(100, 0.2), (1000, 0.02), (23, 0.9), (40, 0.5), (21, 0.99)])
def test_subsamples_of_enough_stimuli_give_a_spread(count: int, fraction: float) -> None:
    probe = DimensionProbe(subsample_fraction=fraction, resamplings=3)
    stimuli = _stimuli(count)
    probe.check(stimuli)

    points = stimuli.images[:].flatten(1)
    found = intrinsic_dimension(points, resamplings=3, subsample_fraction=fraction).estimates["two_nn"]

    assert found.spread.resampled_mean == found.spread.resampled_mean


@pytest.mark.parametrize(("bins", "count"), [(101, 100), (1000, 100), (10**9, 100), (41, 40)])
def test_more_bins_than_stimuli_are_refused_before_training(bins: int, count: int) -> None:
    with pytest.raises(InputError, match=f"probes.object_information.bins={bins}: there are {count} stimuli"):
        ObjectInformationProbe(bins=bins).check(_stimuli(count))


@pytest.mark.parametrize("bins", [11, 50, 100])
def test_more_bins_of_information_than_stimuli_allow_are_refused(bins: int) -> None:
    with pytest.raises(
        InputError, match=rf"stimuli.count: 100 stimuli.*{bins} bins.*lower probes.unit_information.bins"
    ):
        InformationProbe(["luminance"], bins=bins).check(_stimuli(100))


@pytest.mark.parametrize(
    ("identities", "bins", "said"),
    [
        (2, 8, None),
        (10, 4, "10 views of an object allow 4, and no view-invariant value with fewer than 12"),
        (5, 8, None),
        (5, 20, "20 views of an object allow 8; give more stimuli (stimuli.count) or fewer objects"),
        (100, 8, "1 views of an object allow 2, and no view-invariant value"),
    ],
)
def test_objects_of_too_few_views_are_said_once(
    identities: int, bins: int, said: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    probe = ObjectInformationProbe(bins=bins)

    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            probe.check(_stimuli(100, identities))

    assert len(caplog.messages) == (said is not None)
    assert said is None or said in caplog.messages[0]


_COSTS = [(27.0, 8, 1, "8 that are to come 216 s"), (27.0, 8, 3, "3 that are to come 81 s"), (27.0, 0, 1, None),
          (27.0, -1, 1, None), (3.0, 100, 1, None), (10.0, 1, 1, "1 that are to come 10 s")]  # fmt: skip


@pytest.mark.parametrize(("seconds", "epochs", "every", "said"), _COSTS)
def test_long_probe_points_are_said_before_training(
    seconds: float, epochs: int, every: int, said: str | None, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    prober = Prober(_stimuli(24), ResultsStore(tmp_path))
    prober.seconds, prober.seconds_by_probe = [seconds], {"object_information": 0.8 * seconds}
    trainer: Any = SimpleNamespace(max_epochs=epochs)

    with caplog.at_level(logging.WARNING):
        Probing(prober, Schedule(every_epochs=every))._say_cost(trainer, UNTRAINED)

    assert len(caplog.messages) == (said is not None)
    assert said is None or (
        said in caplog.messages[0] and "most_pairs or probes.object_information=null" in caplog.text
    )


class _Wide(nn.Module):
    """A layer of five million units, and memory for so many stimuli at once."""

    def __init__(self, stimuli: int) -> None:
        super().__init__()
        self.convolution, self.relu, self.output = nn.Conv2d(1, 19_532, 1), nn.ReLU(), nn.Linear(19_532, 2)
        self._stimuli = stimuli

    def forward(self, images: Tensor) -> Tensor:
        if len(images) > self._stimuli:
            raise RuntimeError("[enforce fail at alloc_cpu.cpp:127] . DefaultCPUAllocator: can't allocate memory")
        return self.output(self.relu(self.convolution(images)).mean((2, 3)))


def test_a_layer_of_five_million_units_ends_within_the_budget(tmp_path: Path) -> None:
    stimuli, budget = _stimuli(24), 40_000_000
    prober = Prober(stimuli, ResultsStore(tmp_path), memory_bytes=budget, max_units=50, layers=["relu", "output"])

    rows = prober.measure(_Wide(6), [DimensionProbe(resamplings=0)], UNTRAINED)

    found = next(row for row in rows if row.quantity == "two_nn" and row.layer == "relu")
    assert "projected from 5000192 to" in found.note and found.value > 0


def test_a_layer_of_five_million_units_is_refused_with_what_it_needs(tmp_path: Path) -> None:
    prober = Prober(_stimuli(24), ResultsStore(tmp_path), memory_bytes=30_000, max_units=50)
    with pytest.raises(InputError, match=r"layers\.memory_bytes=30000: too little for 3 layers; give at least 59136"):
        prober.prepare(_Wide(24), [])


def test_memory_that_does_not_suffice_for_one_stimulus_is_said() -> None:
    layer = Layer("relu", "relu", 1, 0.5, (19_532, 16, 16), "activation")
    with pytest.raises(RunError, match="a single stimulus: of the layers that are probed relu alone takes 20,000,768"):
        Recorder([layer], 24, max_units=50).record(_Wide(0), _stimuli(24).images)
