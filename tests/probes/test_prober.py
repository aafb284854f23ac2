from pathlib import Path

import pytest
import torch
from torch import nn

from pdtrain.errors import InputError
from pdtrain.probes.dimension_probe import DimensionProbe
from pdtrain.probes.information_probe import InformationProbe
from pdtrain.probes.object_probe import DiscriminabilityProbe, ObjectInformationProbe
from pdtrain.probes.prober import Prober
from pdtrain.results.reader import load
from pdtrain.results.rows import ProbePoint, Row
from pdtrain.results.store import ResultsStore
from pdtrain.stimuli.normalization import Normalization
from pdtrain.stimuli.objects import render_objects
from pdtrain.stimuli.stimulus_set import StimulusSet
from pdtrain.training.models import small_vgg

_START = ProbePoint(0, 0)


@pytest.fixture(scope="module")
def stimuli() -> StimulusSet:
    rendered = render_objects(200, identities=4, pixels=16)
    return StimulusSet(rendered.images, rendered.labels, rendered.parameters, normalize=Normalization(0.5, 0.25))


@pytest.fixture
def model() -> nn.Module:
    torch.manual_seed(0)
    return small_vgg(4, 1, widths=(8, 16), hidden=32)


def _rows(rows: list[Row], layer: str, probe: str) -> dict[tuple[str, str], Row]:
    return {(row.quantity, row.property): row for row in rows if (row.layer, row.probe) == (layer, probe)}


def test_every_probe_gives_its_rows_from_one_forward_pass(
    stimuli: StimulusSet, model: nn.Module, tmp_path: Path
) -> None:
    probes = [
        DimensionProbe(["two_nn", "gride", "pc_id"], per_class=True, scales=2),
        InformationProbe(
            ["luminance", "orientation", "identity", "edge_energy@receptive_field", "orientation@receptive_field"],
            bins=4,
            nearest_neighbors=True,
        ),
        ObjectInformationProbe(bins=4),
        DiscriminabilityProbe(held_out="rotation_depth", folds=4),
    ]
    passes = []
    model.register_forward_hook(lambda m, i, o: passes.append(len(i[0])))
    prober = Prober(stimuli, ResultsStore(tmp_path), max_units=40, batch_size=200)
    prober.prepare(model, probes)
    passes.clear()

    rows = prober.measure(model, probes, _START)

    assert passes == [200, 4, 4]  # a few again, in smaller batches: whether the answer depends on the batch
    dimension = _rows(rows, "relu1", "intrinsic_dimension")
    assert {q for q, _ in dimension} == {
        *(f"{e}{s}" for e in ["two_nn", *(f"gride_{n}" for n in (1, 2, 4, 8, 16, 32))] for s in ("", "_resampled")),
        *(f"{e}_per_class" for e in ["two_nn", *(f"gride_{n}" for n in (1, 2, 4, 8, 16, 32))]),
        *(f"{e}_at_{n}_points" for n in (100, 50) for e in ["two_nn", *(f"gride_{n}" for n in (1, 2, 4, 8, 16, 32))]),
        "pc_id",
    }
    information = _rows(rows, "relu1", "unit_information")
    assert ("mean", "orientation@receptive_field") in information and (
        "nearest_neighbor_mean",
        "identity",
    ) in information
    objects = _rows(rows, "output", "object_information")
    assert -0.02 < objects["view_invariant", "identity"].value <= objects["total", "identity"].value <= 2
    found = _rows(rows, "input", "discriminability")["accuracy", "identity"]
    assert found.lower < found.value < found.upper and found.note == "4 ranges of rotation_depth; true labels"
    assert not {(r.layer, r.probe, r.quantity, r.property) for r in rows if r.value != r.value and not r.note}


def test_rows_of_reduced_maps_say_so_and_are_of_channels(
    stimuli: StimulusSet, model: nn.Module, tmp_path: Path
) -> None:
    probes = [DimensionProbe(resamplings=0), InformationProbe(["luminance", "luminance@receptive_field"], bins=4)]
    prober = Prober(stimuli, ResultsStore(tmp_path), recipe="convolutions", reduce="mean")

    start = prober.measure(model, probes, _START)
    later = prober.measure(model, probes, ProbePoint(1, 10))

    assert {row.estimator for row in start if row.layer} == {
        "activity 1, layers.reduce=mean",
        "intrinsic_dimension 1, layers.reduce=mean",
        "unit_information 2 permutation, 4 bins, layers.reduce=mean",
        "unit_information 2 permutation, 4 bins, 4 within classes, layers.reduce=mean",
    }
    assert [r.layer for r in start if r.quantity == "two_nn"] == [
        "input",
        "conv1",
        "conv2",
        "conv3",
        "conv4",
        "hidden",
        "output",
    ]
    units = load(tmp_path, units=True)
    assert units[units["layer"] == "conv3"]["unit"].nunique() == 16, "channels"
    # a mean sees the whole image
    found = _rows(start, "conv3", "unit_information")
    assert found["mean", "luminance"].value == pytest.approx(found["mean", "luminance@receptive_field"].value, abs=1e-3)
    pruning = [row for row in later if row.quantity == "active_pruning"]
    assert pruning and all(row.estimator for row in pruning), "trained and untrained are measured alike"


def test_projected_layers_say_so_with_their_error(stimuli: StimulusSet, model: nn.Module, tmp_path: Path) -> None:
    probes = [DimensionProbe()]
    prober = Prober(stimuli, ResultsStore(tmp_path), layers=["relu1", "output"], max_units=10, memory_bytes=500_000)

    rows = prober.measure(model, probes, _START)

    large, small = (_rows(rows, layer, "intrinsic_dimension")["two_nn", ""] for layer in ("relu1", "output"))
    assert (large.method, small.method) == ("projected", "exact")
    assert "projected from 2048 to" in large.note and "half as many change it by" in large.note and not small.note


def test_a_value_that_is_not_finite_names_layer_stimulus_and_unit(
    stimuli: StimulusSet, model: nn.Module, tmp_path: Path
) -> None:
    with torch.no_grad():
        model.output.bias[2] = torch.nan

    with pytest.raises(InputError, match="layer output: activation of stimulus 0, unit 2 is nan"):
        Prober(stimuli, ResultsStore(tmp_path)).measure(model, [DimensionProbe()], _START)


def test_local_information_of_the_pixels_is_their_entropy(
    stimuli: StimulusSet, model: nn.Module, tmp_path: Path
) -> None:
    probes = [InformationProbe(["luminance@receptive_field"], bins=4)]

    rows = Prober(stimuli, ResultsStore(tmp_path), layers=["input"]).measure(model, probes, _START)

    assert _rows(rows, "input", "unit_information")["mean", "luminance@receptive_field"].value == pytest.approx(
        2, abs=0.1
    )


def test_statistics_of_batch_norm_are_those_of_the_stimuli_while_the_untrained_network_is_probed(
    stimuli: StimulusSet, model: nn.Module, tmp_path: Path
) -> None:
    found = {}
    for statistics in ("initial", "calibrated"):
        prober = Prober(stimuli, ResultsStore(tmp_path / statistics), untrained_batch_norm=statistics)
        before = {name: value.clone() for name, value in model.state_dict().items()}
        for point in (_START, ProbePoint(1, 5)):
            rows = prober.measure(model, [DimensionProbe(resamplings=0)], point)
            found[statistics, point.epoch] = {row.layer: row.value for row in rows if row.quantity == "two_nn"}
        assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())

    assert found["initial", 0] == found["initial", 1] == found["calibrated", 1], "of what was trained nothing changes"
    assert found["calibrated", 0]["input"] == found["initial", 0]["input"]
    assert found["calibrated", 0]["relu3"] > 1.1 * found["initial", 0]["relu3"]
    with pytest.raises(InputError, match="untrained_batch_norm=some: choose initial or calibrated"):
        Prober(stimuli, ResultsStore(tmp_path), untrained_batch_norm="some")


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: InformationProbe(["luminance"], correction="shuffle"), "choose from permutation"),
        (lambda: InformationProbe(["luminance"], bins=1), "bins=1"),
        (lambda: DimensionProbe(subsample_fraction=1.0), "subsample_fraction=1.0"),
        (lambda: DimensionProbe(["two_nnn"]), "did you mean two_nn"),
        (lambda: DiscriminabilityProbe(folds=1), "folds=1"),
    ],
)
def test_impossible_options_are_refused_by_name(build: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        build()  # type: ignore[operator]
