from collections.abc import Callable

import numpy as np
import pytest
import torch

from pdtrain.estimators.dissimilarity import squared_euclidean
from pdtrain.estimators.half_samples import half_samples
from pdtrain.estimators.similarity import linear_cka
from pdtrain.results.dissimilarities import Dissimilarities, packed
from pdtrain.results.kept_similarity import between_runs, over_epochs

_WAYS = {"cka": ("squared_euclidean", "cka")}
Make = Callable[..., Dissimilarities]


def _responses(seed: int, noise: float) -> list[torch.Tensor]:
    """Two layers: what all runs share, and noise of each run's own; the second layer is half of the first."""
    shared = torch.randn(80, 20, generator=torch.Generator().manual_seed(0))
    own = torch.randn(80, 20, generator=torch.Generator().manual_seed(seed))
    first = shared + noise * own
    return [first, first[:, :10]]


def _kept(seed: int, noise: float, *, stimuli: str = "ab12", layers: tuple[str, ...] = ("a", "b")) -> Dissimilarities:
    matrices = [packed(squared_euclidean(values).numpy()) for values in _responses(seed, noise)]
    halves = half_samples(torch.zeros(80, dtype=torch.long)).numpy()
    return Dissimilarities(
        layers, (0.0, 1.0), (20, 10), (False, False), stimuli, np.arange(80), halves, _WAYS,
        {"squared_euclidean": np.stack(matrices)},
    )  # fmt: skip


def test_two_runs_are_compared_layer_by_layer_with_an_interval_over_stimuli() -> None:
    found = between_runs({"x": _kept(1, 0.5), "y": _kept(2, 0.5)}, {"x": "all runs", "y": "all runs"})

    table = found.set_index(["layer", "other_layer"])
    (first, _), (_, second) = _responses(1, 0.5), _responses(2, 0.5)
    expected = linear_cka(first, second)
    assert len(table) == 4 and set(table["interval"]) == {"stimuli"} and set(table["n"]) == {80}
    row = table.loc[("a", "b")]
    assert (row["mean"], row["lower"], row["upper"]) == pytest.approx(
        (expected.value, expected.lower, expected.upper), abs=1e-4
    )
    assert table.loc[("a", "b"), "mean"] != table.loc[("b", "a"), "mean"]  # of the one run's layer, and the other's


def test_seeds_are_compared_with_an_interval_over_runs() -> None:
    kept = {str(seed): _kept(seed, 1.0) for seed in range(1, 7)}

    found = between_runs(kept, dict.fromkeys(kept, "all runs"))

    row = found[(found.layer == "a") & (found.other_layer == "a")].iloc[0]
    pairs = [
        linear_cka(_responses(one, 1.0)[0], _responses(other, 1.0)[0]).value
        for one in range(1, 7)
        for other in range(one + 1, 7)
    ]
    assert row["pairs"] == 15 and row["interval"] == "runs"
    assert row["mean"] == pytest.approx(np.mean(pairs), abs=1e-5)
    assert row["lower"] < row["mean"] < row["upper"]


def test_settings_are_compared_among_and_between_each_other() -> None:
    kept = {f"{noise}/{seed}": _kept(seed, noise) for noise in (0.2, 1.0) for seed in range(1, 5)}

    found = between_runs(kept, {run: run.partition("/")[0] for run in kept})

    of_a = found[(found.layer == "a") & (found.other_layer == "a")].set_index(["setting", "other_setting"])
    assert of_a["pairs"].to_dict() == {("0.2", "0.2"): 6, ("0.2", "1.0"): 16, ("1.0", "1.0"): 6}
    assert of_a.loc[("0.2", "0.2"), "mean"] > of_a.loc[("0.2", "1.0"), "mean"] > of_a.loc[("1.0", "1.0"), "mean"]
    assert of_a["interval"].eq("runs").all()


def test_the_interval_over_runs_covers_what_infinitely_many_would_give() -> None:
    """The mean over pairs of 100 other runs stands for these."""
    everyone = {str(seed): _kept(1000 + seed, 1.0) for seed in range(60)}
    truth = between_runs(everyone, dict.fromkeys(everyone, "all"))["mean"].iloc[0]
    covered = []
    for draw in range(40):
        few = {str(seed): _kept(1 + 5 * draw + seed, 1.0) for seed in range(5)}
        row = between_runs(few, dict.fromkeys(few, "all")).iloc[0]
        covered.append(row["lower"] <= truth <= row["upper"])

    assert np.mean(covered) >= 0.8


def test_runs_with_other_stimuli_or_layers_are_not_compared() -> None:
    kept = {"x": _kept(1, 0.5), "y": _kept(2, 0.5, stimuli="cd34"), "z": _kept(3, 0.5, layers=("a", "c"))}

    found = between_runs(kept, dict.fromkeys(kept, "all runs"))

    assert set(found["pairs"]) == {1}  # x with z
    assert set(zip(found.layer, found.other_layer, strict=True)) == {("a", "a")}
    assert between_runs({"x": kept["x"], "y": kept["y"]}, dict.fromkeys("xy", "all runs")).empty


def test_epochs_are_compared_with_each_other() -> None:
    found = over_epochs([_kept(1, 0.1), _kept(1, 0.5), _kept(1, 3.0)], "cka", "b")

    assert np.diag(found) == pytest.approx(1) and (found == found.T).all()
    assert found[0, 1] > found[0, 2]
