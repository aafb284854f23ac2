from dataclasses import asdict, replace

import numpy as np
import pandas as pd
import pytest

from pdtrain.estimators.halvings import SPLITS
from pdtrain.probes.indices import indices
from pdtrain.report.headline import headline, weaknesses
from pdtrain.results.catalogue import Catalogue
from pdtrain.results.differences import differences
from pdtrain.results.measures import DIMENSION, INFORMATION, VIEW_INVARIANT, Measure
from pdtrain.results.rows import Row
from pdtrain.results.versions import OVER_UNITS

_FIELD = "luminance@receptive_field"
_LAYERS = ("input", "relu1", "pool1", "relu2", "output")


def _profile(measure: Measure, about: str, values: list[float], error: float, seed: int) -> list[Row]:
    drawn = np.random.default_rng(seed).standard_normal((len(values), SPLITS)) * error
    return [
        Row(
            layer, place, place / (len(values) - 1), measure.probe, measure.quantity, about, value, error,
            value - 2 * error, value + 2 * error, half_differences=tuple(drawn[place].tolist()), stimuli="ab",
        )
        for place, (layer, value) in enumerate(zip(_LAYERS, values, strict=True))
    ]  # fmt: skip


def _point(epoch: int) -> list[Row]:
    trained = epoch > 0
    rows = [
        *_profile(DIMENSION, "", [50, 100, 60, 8, 6] if trained else [50, 55, 50, 27, 9], 1.0, epoch),
        *_profile(
            INFORMATION, _FIELD, [3, 0.3, 0.1, 0.004, 0.01] if trained else [3, 0.3, 0.2, 0.05, 0.1], 0.001, epoch
        ),
        *_profile(VIEW_INVARIANT, "identity", [0, 0, 0.01, 0.2, 0.5] if trained else [0.0] * 5, 0.01, epoch),
    ]
    return rows


def _frames(*points: list[Row]) -> pd.DataFrame:
    return pd.concat(
        pd.DataFrame([asdict(row) for row in [*rows, *indices(rows, points[0])]]).assign(
            epoch=epoch, step=100 * epoch, weights="trained" if epoch else "untrained"
        )
        for epoch, rows in enumerate(points)
    )


def _said(rows: pd.DataFrame) -> list[str]:
    ends = [rows[rows.epoch == epoch] for epoch in (rows.epoch.min(), rows.epoch.max())]
    return headline(rows, Catalogue(), differences(*ends, [INFORMATION, VIEW_INVARIANT]))


def test_three_sentences_say_what_came_out_with_intervals() -> None:
    dimension, information, objects = _said(_frames(_point(0), _point(1)))

    assert "after epoch 1: 50 [48, 52] at input, at most 100 [98, 102] at relu1, 8 [6, 10] at relu2" in dimension
    assert "expansion 2 [" in dimension and "contraction 0.08 [" in dimension
    assert (
        "A unit of relu2 tells 4 [2, 6] millibit about luminance in the receptive field (50 untrained)" in information
    )
    assert "active pruning 0.92 [" in information and "distillation 0.987 [" in information
    assert "200 [180, 220] millibit per unit at relu2, +200 [" in objects and objects.endswith("against untrained.")


def test_of_an_untrained_network_alone_there_is_no_comparison() -> None:
    dimension, information, objects = _said(_frames(_point(0)))

    assert "untrained: 50" in dimension
    assert "(50 untrained)" not in information and "against" not in objects


def test_nothing_is_said_of_what_was_not_measured() -> None:
    rows = _frames(_point(0), _point(1))

    assert len(_said(rows[rows.probe != VIEW_INVARIANT.probe])) == 2
    assert _said(rows[rows.probe == "discriminability"].assign(epoch=0, step=0, weights="untrained")) == []


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"note": "lower bound: more stimuli are needed"}, "Lower bounds"),
        ({"note": f"1000 stimuli; {OVER_UNITS}"}, "over units alone"),
    ],
)
def test_what_weakens_it_is_said(changed: dict[str, str], sentence: str) -> None:
    from pdtrain.estimators.lower_bounds import lower_bound_note

    if "lower bound" in changed["note"]:
        changed = {"note": lower_bound_note(100.0, 1000, 2)}
    rows = _point(1)
    marked = [replace(rows[1], **changed), *rows[:1], *rows[2:]]

    assert not [said for said in weaknesses(_frames(_point(0), rows)) if sentence in said]
    assert [said for said in weaknesses(_frames(_point(0), marked)) if sentence in said]


def test_an_index_that_is_not_given_is_named_with_its_reason() -> None:
    dead = Row("relu2", 3, 0.75, "activity", "silent_fraction", "", 0.95, n=256)

    found = weaknesses(_frames(_point(0), [*_point(1), dead]))

    assert any(
        "active pruning of luminance in the receptive field (relu2: 95% of its units are silent)" in s for s in found
    )
