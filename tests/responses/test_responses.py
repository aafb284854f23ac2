"""Neurons in place of units: files of every kind, known dimensions and information, noise corrected."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hydra import compose, initialize_config_module

from pdtrain.commands.probe import probe
from pdtrain.errors import InputError
from pdtrain.probes.dimension_probe import DimensionProbe
from pdtrain.probes.information_probe import InformationProbe
from pdtrain.probes.object_probe import DiscriminabilityProbe
from pdtrain.responses.areas import measure_areas
from pdtrain.responses.noise import CORRECTED
from pdtrain.responses.table import NeuralResponses, read_responses, read_stimuli
from pdtrain.results.reader import load
from pdtrain.results.rows import Row
from pdtrain.stimuli.stimulus_set import StimulusSet

_EXAMPLE = Path(__file__).parents[2] / "docs" / "examples"


def _probe(*overrides: str) -> list[Path]:
    with initialize_config_module("pdtrain.conf", version_base="1.3"):
        config = compose("probe", list(overrides))
    return probe(config, list(overrides))


def test_the_simulated_example_prunes_and_distills(tmp_path: Path) -> None:
    tables = [f"responses={_EXAMPLE}/simulated_responses.csv", f"stimuli_table={_EXAMPLE}/simulated_stimuli.csv"]

    _probe(*tables, f"out={tmp_path}")

    rows = load(tmp_path, probe_set="probe")
    areas = ["V1", "LM", "LI", "LL"]

    def along(quantity: str, property: str = "") -> list[float]:
        chosen = rows[(rows.quantity == quantity) & (rows.property == property)].set_index("layer")
        assert chosen.value.notna().all()
        return chosen.loc[areas].value.tolist()

    for falling in (along("two_nn"), along("mean", "luminance"), along(f"mean{CORRECTED}", "luminance")):
        assert falling == sorted(falling, reverse=True)
    for rising in (along("mean", "identity"), along("view_invariant", "identity")):
        assert rising == sorted(rising)
    assert rows[rows.layer != ""].drop_duplicates("layer").sort_values("layer_index").layer.tolist() == areas
    of_objects = rows[rows.probe == "object_information"]
    assert not of_objects.quantity.str.startswith(("total", "ratio")).any(), "they are of units without noise"
    assert "26 neurons" in rows[rows.quantity == "two_nn"].note.iloc[0], "as many as the smallest area has"


@pytest.mark.parametrize("suffix", ["parquet", "npz"])
def test_files_of_every_kind_say_the_same(tmp_path: Path, suffix: str) -> None:
    expected = read_responses(_EXAMPLE / "simulated_responses.csv")
    path = tmp_path / f"responses.{suffix}"
    if suffix == "parquet":
        pd.read_csv(_EXAMPLE / "simulated_responses.csv").to_parquet(path)
    else:
        arrays = {"areas": np.array(expected.areas), "stimuli": np.array(expected.stimuli)}
        np.savez(path, responses=expected.responses.numpy(), **arrays)

    found = read_responses(path)

    assert torch.equal(found.responses, expected.responses)
    assert (found.areas, found.stimuli) == (expected.areas, expected.stimuli)
    assert found.responses.shape == (130, 6, 112)


def test_correction_brings_dimension_and_information_towards_those_without_noise() -> None:
    generator = torch.Generator().manual_seed(0)
    latent = torch.randn(400, 4, generator=generator)
    clean = (latent @ torch.randn(4, 30, generator=generator)).T
    noisy = clean[:, None] + 0.9 * torch.randn(30, 8, 400, generator=generator)
    blank = torch.zeros(400, 1, 1, 1)
    stimuli = StimulusSet(blank, torch.arange(400) % 4, {"first": latent[:, 0]})
    names = tuple(str(i) for i in range(400))
    probes = [DimensionProbe(resamplings=0), InformationProbe(["first"])]

    def measured(responses: torch.Tensor) -> dict[str, float]:
        neural = NeuralResponses(responses, ("area",) * 30, names)
        rows = measure_areas(neural, stimuli, probes, draws=2).rows
        for row in rows:
            if row.quantity.endswith(CORRECTED):
                assert row.lower < row.value < row.upper, "corrected values have intervals"
        return {row.quantity: row.value for row in rows}

    truth, found = measured(clean[:, None]), measured(noisy)
    for quantity in ("two_nn", "mean"):
        before, after = (abs(found[name] - truth[quantity]) for name in (quantity, quantity + CORRECTED))
        assert after < 0.75 * before, quantity
    assert found["two_nn"] > truth["two_nn"] and found["mean"] < truth["mean"], "what noise does"
    assert not any(name.endswith(CORRECTED) for name in truth), "no trials, no correction"


def test_areas_of_more_neurons_are_not_more_discriminable_for_that() -> None:
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(200) % 4
    signal = torch.randn(4, 60, generator=generator)[labels].T
    responses = signal[:, None] + 4 * torch.randn(60, 1, 200, generator=generator)
    areas = ("small",) * 10 + ("large",) * 50
    blank = torch.zeros(200, 1, 1, 1)
    neural = NeuralResponses(responses, areas, tuple(str(i) for i in range(200)))

    def accuracies(neurons: int | None, areas: list[str]) -> list[Row]:
        stimuli = StimulusSet(blank, labels, {})
        found = measure_areas(neural, stimuli, [DiscriminabilityProbe()], areas=areas, neurons=neurons, draws=10)
        return [row for row in found.rows if row.quantity == "accuracy"]

    small, large = accuracies(None, ["small", "large"])
    (all_of_large,) = accuracies(50, ["large"])
    assert all_of_large.value > small.value + 0.1, "more neurons tell more"
    assert abs(large.value - small.value) < 0.1 and large.note == "mean over 10 draws of 10 neurons"
    assert large.lower < large.value < large.upper and large.upper - large.lower > 0.1


def _edited(path: Path, edit: Callable[[pd.DataFrame], pd.DataFrame]) -> Path:
    edit(pd.read_csv(_EXAMPLE / "simulated_responses.csv")).to_csv(path / "edited.csv", index=False)
    return path / "edited.csv"


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda table: table.drop(columns="area"), "has no column area"),
        (lambda table: table.iloc[1:], "neurons have from 5 to 6 trials"),
        (lambda table: table.assign(object0_view00=np.nan), "missing or no finite"),
        (lambda table: table.assign(object0_view00="many"), "column object0_view00 holds no numbers"),
        (lambda table: table[["neuron", "area", "trial"]], "has no stimuli"),
    ],
)
def test_wrong_tables_are_refused(tmp_path: Path, edit: Callable, message: str) -> None:
    with pytest.raises(InputError, match=rf"responses=.*edited.csv: .*{message}"):
        read_responses(_edited(tmp_path, edit))


def test_columns_say_how_their_values_are_to_be_compared(tmp_path: Path) -> None:
    names = tuple(f"s{i}" for i in range(6))
    table = pd.DataFrame({"stimulus": names, "identity": list("aabbcc"), "orientation": [0, 90, 180, 270, 350, 10]})
    table.assign(kind=["x", "y", "x", None, "y", "x"]).to_csv(tmp_path / "stimuli.csv", index=False)

    stimuli = read_stimuli(tmp_path / "stimuli.csv", names, circular={"orientation": 360}, discrete=["kind"])
    plain = read_stimuli(tmp_path / "stimuli.csv", names)

    orientation, kind = stimuli.property("orientation"), stimuli.property("kind")
    assert (orientation.kind, orientation.period) == ("circular", 360.0)
    assert kind.kind == "discrete" and kind.values[:3].tolist() == [0, 1, 0] and bool(kind.values[3].isnan())
    # not the period of its namesake among the properties of images
    assert (plain.property("orientation").kind, plain.property("orientation").period) == ("continuous", None)
    assert "kind" not in plain.parameters


def test_columns_that_are_not_there_and_wrong_periods_are_named() -> None:
    path = _EXAMPLE / "simulated_stimuli.csv"
    with pytest.raises(InputError, match=r"circular=hue: .*has no such column; choose from"):
        read_stimuli(path, ("object0_view00",), circular={"hue": 1.0})
    with pytest.raises(InputError, match="discrete=hue"):
        read_stimuli(path, ("object0_view00",), discrete=["hue"])
    with pytest.raises(InputError, match=r"circular\.luminance=0"):
        read_stimuli(path, ("object0_view00",), circular={"luminance": 0})


def test_a_stimulus_that_is_not_known_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"stimulus face1 is not in it \(1 are missing\)"):
        read_stimuli(_EXAMPLE / "simulated_stimuli.csv", ("object0_view00", "face1"))


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ([], "stimuli_table: give stimuli_table="),
        ([f"stimuli_table={_EXAMPLE}/simulated_stimuli.csv"], "out: give out="),
        ([f"stimuli_table={_EXAMPLE}/simulated_stimuli.csv", "out=x", "areas=[V1,V9]"], "areas=V9: not in the table"),
        ([f"stimuli_table={_EXAMPLE}/simulated_stimuli.csv", "out=x", "neurons=99"], "neurons=99: choose from 5 to 26"),
    ],
)
def test_wrong_values_name_their_key(overrides: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        _probe(f"responses={_EXAMPLE}/simulated_responses.csv", *overrides)
