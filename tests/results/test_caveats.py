"""Each rule against rows, configurations and metrics of which is known what there is to say."""

from pathlib import Path

import pandas as pd
import pytest
from omegaconf import DictConfig, OmegaConf

from pdtrain.results.catalogue import Catalogue
from pdtrain.results.caveats import caveats_at, caveats_of, label_note, not_estimated, silent_layers
from pdtrain.results.metrics import read_metrics
from pdtrain.results.rows import ProbePoint, Row

_SOURCES = "pdtrain.stimuli.sources"


def _silent(layer: str, depth: float, share: float, probe: str = "unit_information") -> Row:
    return Row(layer, 0, depth, probe, "silent_fraction", "contrast", share)


def _frame(*points: tuple[int, list[Row]]) -> pd.DataFrame:
    return pd.DataFrame([row.__dict__ | {"epoch": epoch} for epoch, rows in points for row in rows])


def _config(shuffled: bool, **stimuli: str) -> DictConfig:
    return OmegaConf.create({"data": {"shuffled_labels": shuffled}, "stimuli": stimuli})


def _metrics(**values: float) -> pd.DataFrame:
    names = {"running": "train/accuracy", "evaluated": "train/accuracy_evaluated"}
    return pd.DataFrame([{names[name]: value} for name, value in values.items()])


def test_a_hidden_layer_nine_tenths_silent_is_dead_and_the_ends_never_are() -> None:
    rows = [
        _silent("input", 0.0, 1.0),
        _silent("relu1", 0.3, 0.89),
        _silent("relu2", 0.6, 0.9),
        _silent("relu3", 0.8, float("nan")),
        _silent("relu4", 0.9, 1.0, probe="another"),
        _silent("output", 1.0, 1.0),
    ]

    assert silent_layers(rows) == {"relu2": 0.9}
    assert caveats_at(ProbePoint(1, 3), rows[:2]) == []


def test_a_dead_point_names_its_epoch_and_layers() -> None:
    (caveat,) = caveats_at(ProbePoint(4, 20), [_silent("relu2", 0.5, 0.957), _silent("relu3", 0.8, 1.0)])

    assert caveat.kind == "dead network"
    assert "Dead network at epoch 4: " in caveat.sentence and "relu2 95%, relu3 100%" in caveat.sentence
    assert "optimizer.lr" in caveat.sentence and "epoch 0" not in caveat.sentence


def test_a_network_that_is_dead_untrained_is_not_blamed_on_its_training() -> None:
    (caveat,) = caveats_at(ProbePoint(0, 0), [_silent("relu2", 0.5, 1.0)])

    assert "epoch 0 (0 is untrained)" in caveat.sentence and "compare with epoch 0" in caveat.sentence
    assert "optimizer.lr" not in caveat.sentence


def test_dead_epochs_of_a_run_are_one_sentence() -> None:
    dead, alive = [_silent("relu2", 0.5, 1.0)], [_silent("relu2", 0.5, 0.1)]

    (caveat,) = caveats_of(_frame((0, dead), (1, alive), (2, dead), (3, dead), (4, dead), (6, dead)), None)

    assert "at epochs 0, 2 to 4, 6 (0 is untrained)" in caveat.sentence


def test_many_dead_layers_are_counted() -> None:
    (caveat,) = caveats_at(ProbePoint(1, 1), [_silent(f"relu{i}", 0.5, 1.0) for i in range(6)])

    assert "relu3 100% and 2 more layers" in caveat.sentence and "relu4" not in caveat.sentence


def test_a_network_measured_without_that_probe_is_not_judged() -> None:
    rows = _frame((1, [Row("relu1", 1, 0.5, "intrinsic_dimension", "two_nn", "", 3.0)]))

    assert caveats_of(rows, _config(False)) == []


@pytest.mark.parametrize(
    ("metrics", "said"),
    [
        (_metrics(running=0.1), "is 10% (the mean over the last epoch"),
        (_metrics(running=1.0, evaluated=0.9499), "is 94% (the network in evaluation mode"),
        (_metrics(running=0.2, evaluated=0.95), None),
        (_metrics(running=0.95), None),
        (None, "no logger kept"),
    ],
    ids=["running", "evaluated", "memorised", "memorised as far as is known", "no logger"],
)
def test_a_control_has_memorised_or_it_is_said(metrics: pd.DataFrame | None, said: str | None) -> None:
    rows = _frame((0, [_silent("relu", 0.5, 0.0)]), (3, [_silent("relu", 0.5, 0.0)]))

    found = caveats_of(rows, _config(True), metrics)

    assert [said in caveat.sentence for caveat in found if said] == ([True] if said else [])
    assert len(found) == (said is not None)
    assert caveats_of(rows, _config(False), metrics) == [], "true labels are no control"


def test_nothing_is_said_of_memorising_before_any_training() -> None:
    assert caveats_of(_frame((0, [_silent("relu", 0.5, 0.0)])), _config(True), None) == []
    assert caveats_of(None, _config(True), None) == []


def test_a_control_without_probes_is_judged_by_its_metrics() -> None:
    (caveat,) = caveats_of(None, _config(True), _metrics(running=0.3))

    assert caveat.kind == "not memorised"


@pytest.mark.parametrize(
    ("stimuli", "said"),
    [
        ({"_target_": f"{_SOURCES}.held_out"}, "the true labels of stimuli that it was not trained on"),
        ({"_target_": f"{_SOURCES}.training", "labels": "trained"}, "the shuffled labels of the images"),
        ({"_target_": f"{_SOURCES}.training", "labels": "true"}, "the true labels of the images that it was trained"),
        ({"_target_": "mine.films"}, "the labels that the stimuli came with"),
    ],
)
def test_it_is_said_which_labels_identity_refers_to(stimuli: dict[str, str], said: str) -> None:
    rows = _frame((1, [Row("relu1", 1, 0.5, "object_information", "total", "identity", 0.1)]))
    config = _config(True, **stimuli)

    note = label_note(rows, config, config)

    assert note is not None and said in note
    elsewhere = label_note(rows, _config(False, **stimuli), config)
    if said.startswith("the shuffled labels"):
        assert elsewhere is not None and "on which this network was not trained" in elsewhere
    else:
        assert elsewhere is None
    assert label_note(rows.assign(property="luminance"), config, config) is None, "no figure has labels"


def test_training_stimuli_of_unshuffled_data_have_true_labels_whatever_the_network_learned() -> None:
    rows = _frame((1, [Row("relu1", 1, 0.5, "discriminability", "accuracy", "identity", 0.1)]))
    stimuli = {"_target_": f"{_SOURCES}.training", "labels": "trained"}

    note = label_note(rows, _config(True), _config(False, **stimuli))

    assert note is not None and "refer here to the true labels" in note


def test_metrics_are_read_from_either_logger(tmp_path: Path) -> None:
    assert read_metrics(tmp_path) is None
    (tmp_path / "wandb_lines.jsonl").write_text('{"train/accuracy": 0.5, "epoch": 0}\n{"train/acc')

    of_wandb = read_metrics(tmp_path)
    (tmp_path / "csv").mkdir()
    (tmp_path / "csv" / "metrics.csv").write_text("step,train/accuracy\n1,0.25\n")
    of_csv = read_metrics(tmp_path)

    assert of_wandb is not None and of_wandb["train/accuracy"].tolist() == [0.5], "a torn line is left out"
    assert of_wandb["epoch"].tolist() == [1], "completed"
    assert of_csv is not None and of_csv["train/accuracy"].tolist() == [0.25]


def test_values_of_different_estimators_are_a_caveat() -> None:
    rows = [
        Row("relu1", 1, 0.5, "unit_information", "mean", "luminance", 0.1, estimator=f"unit_information {version}")
        for version in (1, 2)
    ]

    (caveat,) = caveats_of(_frame((0, rows[:1]), (1, rows[1:])), None)

    assert caveat.kind == "mixed estimators"
    assert "unit_information 1; unit_information 2" in caveat.sentence
    assert caveats_of(_frame((0, rows[:1]), (1, rows[:1])), None) == []


def test_what_has_no_value_anywhere_is_named_with_its_reason() -> None:
    unknown = Row("relu1", 1, 0.5, "unit_information", "mean", "identity", float("nan"), note="90 stimuli; too few")
    known = Row("relu1", 1, 0.5, "unit_information", "mean", "luminance", 0.1, note="90 stimuli")

    found = not_estimated(_frame((0, [unknown, known])), Catalogue())
    assert found == ["Not estimated: unit information about identity (too few)."]
