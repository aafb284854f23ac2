"""What of a probe point becomes curves."""

import logging
from types import SimpleNamespace
from typing import Any

import pytest
import wandb

from pdtrain.errors import InputError
from pdtrain.loggers.wandb_scalars import ChosenScalars
from pdtrain.results.catalogue import Catalogue
from pdtrain.results.rows import Row

_ROWS = [
    Row("relu1", 1, 0.25, "intrinsic_dimension", "two_nn", "", 5.0, 0.5),
    Row("relu1", 1, 0.25, "intrinsic_dimension", "mle", "", 4.0),
    Row("", -1, 0.5, "index", "expansion", "two_nn", 2.0),
]
_HEADLINE, _ALONE = {"id/relu1": 5.0, "index/expansion": 2.0}, SimpleNamespace(sweep_id=None)


def _of_agent(*, offline: bool = False) -> SimpleNamespace:
    return SimpleNamespace(sweep_id="s1", entity="lab", project="pdtrain", offline=offline)


def _chosen(run: Any = _ALONE, **options: Any) -> dict[str, float]:
    return ChosenScalars(**options).of(_ROWS, Catalogue(), run)


def test_curves_are_the_headline_set_unless_all_are_wanted() -> None:
    assert _chosen() == _HEADLINE
    every = _chosen(scalars="all")
    assert every == Catalogue().metrics(_ROWS)
    assert {"id/relu1/two_nn", "id/relu1/two_nn_std", "id/relu1/mle"} <= every.keys()


def test_what_a_sweep_looks_at_is_a_curve_in_any_case() -> None:
    assert _chosen(metric="id/relu1/mle") == _HEADLINE | {"id/relu1/mle": 4.0}
    assert _chosen(metric="val/accuracy") == _HEADLINE, "it is in other lines"


def test_the_metric_of_a_wandb_sweep_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def sweep(path: str) -> SimpleNamespace:
        asked.append(path)
        return SimpleNamespace(config={"metric": {"name": "id/relu1/mle", "goal": "minimize"}})

    monkeypatch.setattr(wandb, "Api", lambda: SimpleNamespace(sweep=sweep))
    scalars = ChosenScalars()

    chosen = [scalars.of(_ROWS, Catalogue(), _of_agent()) for _ in range(2)]

    assert chosen == [_HEADLINE | {"id/relu1/mle": 4.0}] * 2
    assert asked == ["lab/pdtrain/s1"], "once"


def test_all_are_curves_where_the_metric_of_a_wandb_sweep_is_not_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse() -> None:
        raise ConnectionError("no network")

    monkeypatch.setattr(wandb, "Api", refuse)

    with caplog.at_level(logging.WARNING):
        found = [_chosen(_of_agent(offline=offline)) for offline in (True, False)]

    assert found == [Catalogue().metrics(_ROWS)] * 2
    assert "scalars=all: W&B does not tell the metric of its sweep (no network)" in caplog.text


def test_a_grid_of_wandb_has_no_metric(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wandb, "Api", lambda: SimpleNamespace(sweep=lambda path: SimpleNamespace(config={})))

    assert _chosen(_of_agent()) == _HEADLINE


def test_other_words_are_refused() -> None:
    with pytest.raises(InputError, match=r"logger\.wandb\.scalars=few: choose headline or all"):
        ChosenScalars("few")
