"""Settings compared over their seeds: the tests, and how the page shows them."""

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from omegaconf import DictConfig
from scipy import stats

from pdtrain.report.comparison import write_comparison
from pdtrain.report.comparison_figures import (
    compared_differences,
    compared_dynamics,
    compared_indices,
    compared_profiles,
)
from pdtrain.report.comparison_tables import summarise
from pdtrain.report.comparison_tests import OF_LAYERS, differences_of_settings, why_untested
from pdtrain.report.style import plt
from pdtrain.results.configuration import save_configuration
from pdtrain.results.measures import DIMENSION
from pdtrain.results.rows import ProbePoint, Row
from pdtrain.results.status import write_status
from pdtrain.results.store import ResultsStore

_LONG = "data.geometric=0.25, model.network._target_=somewhere.far.away.a_network_of_many_words, optimizer.lr=0.0125"


def _rows(values: dict[str, list[float]], **changes: Any) -> pd.DataFrame:
    """A row of one index for each seed of each setting."""
    return pd.DataFrame(
        [
            Row("", -1, math.nan, "index", "expansion", "two_nn", value).__dict__
            | {"setting": setting, "replicate": f"seed={seed}", "run": f"{setting}{seed}"}
            | changes
            for setting, of_setting in values.items()
            for seed, value in enumerate(of_setting)
        ]
    )


def test_settings_with_the_same_seeds_are_paired_and_others_are_not() -> None:
    values = {"a": [1.0, 2.0, 4.0], "b": [2.0, 3.5, 4.5], "c": [5.0, 6.0, 6.5, 9.0]}

    table = differences_of_settings(_rows(values))

    found = {(line.setting, line.against): line for line in table.itertuples()}
    assert list(found) == [("b", "a"), ("c", "a"), ("c", "b")]
    paired, apart = (
        stats.ttest_rel(values["b"], values["a"]),
        stats.ttest_ind(values["c"], values["b"], equal_var=False),
    )
    assert found["b", "a"].p_value == pytest.approx(paired.pvalue) and found["b", "a"].test == "paired t"
    assert found["c", "b"].p_value == pytest.approx(apart.pvalue) and found["c", "b"].test == "Welch's t"
    assert (found["c", "a"].n, found["c", "a"].n_against) == (4, 3)
    assert found["b", "a"].difference == pytest.approx(1.0) and found["b", "a"].lower < 1 < found["b", "a"].upper
    assert found["b", "a"].effect_lower < found["b", "a"].effect_size < found["b", "a"].effect_upper
    smallest = table["p_value"].min()
    assert table["p_holm"].min() == pytest.approx(3 * smallest), "of three tests"


def test_layers_are_corrected_for_within_their_quantity() -> None:
    rng = np.random.default_rng(0)
    parts = [
        _rows({"a": list(rng.normal(0, 1, 4)), "b": list(rng.normal(9, 1, 4))}, layer=layer, probe=probe)
        for probe, layers in (("p", "xyz"), ("q", "x"))
        for layer in layers
    ]

    table = differences_of_settings(pd.concat(parts), together=OF_LAYERS).set_index(["probe", "layer"])

    assert table.loc[("q", "x"), "p_holm"] == table.loc[("q", "x"), "p_value"]
    assert table.loc["p", "p_holm"].min() == pytest.approx(3 * table.loc["p", "p_value"].min())
    assert table.differs.all()


def test_with_too_few_seeds_there_is_a_reason_and_no_number() -> None:
    two = differences_of_settings(_rows({"a": [1.0, 2.0], "b": [5.0, 6.1]}))

    assert two[["lower", "upper", "p_value", "p_holm", "effect_size", "effect_lower"]].isna().all(axis=None)
    assert not two.differs.any() and why_untested(two) == "No test between settings: 2 pairs of runs; a test needs 3."
    unknown = differences_of_settings(_rows({"a": [math.nan] * 3, "b": [math.nan] * 3}))
    assert unknown.empty and why_untested(unknown) is None


def test_runs_of_one_seed_count_once() -> None:
    rows = _rows({"a": [1.0, 2.0, 3.0, 3.4]})
    rows.loc[3, "replicate"] = "seed=2"

    (line,) = summarise(rows).to_dict("records")

    assert (line["n"], line["runs"]) == (3, 4) and line["mean"] == pytest.approx((1 + 2 + 3.2) / 3)
    low, _ = stats.t.interval(0.95, 2, loc=line["mean"], scale=np.std([1, 2, 3.2], ddof=1) / math.sqrt(3))
    assert line["lower"] == pytest.approx(low)


def test_what_does_not_vary_over_seeds_has_no_interval() -> None:
    (line,) = summarise(_rows({"a": [0.7, 0.7, 0.7]})).to_dict("records")

    assert line["mean"] == pytest.approx(0.7) and math.isnan(line["lower"]) and line["n"] == 3


def test_values_of_different_estimators_are_not_tested_against_each_other() -> None:
    rows = pd.concat([_rows({"a": [1.0, 2.0, 3.0]}, estimator="x 1"), _rows({"b": [4.0, 5.0, 7.0]}, estimator="x 2")])

    assert differences_of_settings(rows).empty


def _table(seeds: int, names: tuple[str, ...] = ("a", "b")) -> pd.DataFrame:
    rng = np.random.default_rng(seeds)
    layers = [("input", 0.0), ("relu", 0.5), ("output", 1.0)]
    rows = [
        Row(layer, i, depth, DIMENSION.probe, DIMENSION.quantity, "", float(rng.normal(20, 1))).__dict__
        | {"setting": name, "replicate": f"seed={seed}"}
        for name in names
        for seed in range(seeds)
        for i, (layer, depth) in enumerate(layers)
    ]
    return summarise(pd.DataFrame(rows))


def test_bands_of_two_seeds_do_not_set_the_axis() -> None:
    for seeds, shown in ((2, False), (3, True)):
        table = _table(seeds)
        figure = compared_profiles(table, [DIMENSION])
        low, high = figure.axes[0].get_ylim()
        assert bool(low < table["lower"].min() and high > table["upper"].max()) is shown
        assert low < table["mean"].min() and high > table["mean"].max()
        plt.close(figure)


def _figures(count: int) -> Iterator[Figure | None]:
    names = tuple(f"{_LONG}, seed_of_mine={i}" for i in range(count))
    rows = _rows({name: [1.0 + i, 2.0, 3.5] for i, name in enumerate(names)})
    tests = differences_of_settings(rows)
    yield compared_profiles(_table(3, names), [DIMENSION])
    yield compared_indices(rows, summarise(rows))
    yield compared_dynamics(pd.concat([summarise(rows.assign(epoch=epoch), also=["epoch"]) for epoch in (0, 1)]))
    if count < 7:
        yield compared_differences(tests)


@pytest.mark.parametrize("count", [2, 6, 25])
def test_long_names_are_broken_and_nothing_is_cut_off(count: int) -> None:
    """Warnings of the layout are errors here."""
    for figure in _figures(count):
        assert figure is not None
        figure.draw_without_rendering()
        inches = figure.get_tightbbox()
        assert inches.x0 > -0.02 and inches.y0 > -0.02
        assert inches.x1 < figure.get_figwidth() + 0.02 and inches.y1 < figure.get_figheight() + 0.02
        for legend in figure.legends:
            box, below = legend.get_window_extent(), min(axes.get_tightbbox().y0 for axes in figure.axes)
            assert box.y1 <= below + 1 and box.x0 >= 0 and box.x1 <= figure.bbox.x1
        for axes in figure.axes:
            assert axes.get_window_extent().width > 80 and axes.get_window_extent().height > 60
        plt.close(figure)


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory, configure_shared: Callable[..., DictConfig]) -> Path:
    """Two settings of three seeds that differ in one index, and a run that was cut off."""
    sweep, rng = tmp_path_factory.mktemp("settings") / "sweep", np.random.default_rng(3)
    for job, (rate, seed) in enumerate((rate, seed) for rate in (0.001, 0.003) for seed in range(4)):
        run, cut_off = sweep / str(job), seed == 3
        config = configure_shared(
            f"optimizer.lr={rate}", f"seed={seed}", f"sweep.resume={str(cut_off).lower()}", tiny=[]
        )
        save_configuration(run, config)
        if rate == 0.003 or not cut_off:
            write_status(run, "running" if cut_off else "finished")
        for epoch in range(1 if cut_off else 2):
            values = 1000 * rate * epoch + 0.01 * rng.normal(), float(rng.normal())
            rows = [
                Row("", -1, math.nan, "index", name, "two_nn", value)
                for name, value in zip(("expansion", "contraction"), values, strict=True)
            ]
            layers = [
                Row(f"relu{i}", i, i / 2, DIMENSION.probe, DIMENSION.quantity, "", 20 + moved + rng.normal() / 9)
                for i, moved in enumerate((0, 1000 * rate * epoch, 0))
            ]  # fmt: skip
            ResultsStore(run).write(ProbePoint(epoch, 5 * epoch), [*rows, *layers], [])
    (sweep / "3" / "run.yaml").unlink()
    for file in (sweep / "3" / "results").iterdir():
        file.unlink()
    return sweep


def test_the_page_holds_tests_settings_and_n(
    swept: Path, tmp_path: Path, open_page: Callable[..., dict[str, Any]]
) -> None:
    page = write_comparison([swept], tmp_path)

    html = page.read_text()
    assert "sweep.resume=False" not in html and "n\u00a0=\u00a03" in (tmp_path / "comparison_dimension.svg").read_text()
    tests = pd.read_csv(tmp_path / "indices_differences.csv").set_index("quantity")
    assert tests.differs.to_dict() == {"expansion": True, "contraction": False}
    assert tests.loc["expansion", "lower"] < 2 < tests.loc["expansion", "upper"]
    layers = pd.read_csv(tmp_path / "layers_differences.csv").set_index("layer")
    assert layers.differs.to_dict() == {"relu0": False, "relu1": True, "relu2": False}
    settings = pd.read_csv(tmp_path / "settings.csv")
    assert settings["optimizer.lr"].tolist() == [0.001] * 3 + [0.003] * 4
    (caveat,) = pd.read_csv(tmp_path / "caveats.csv").itertuples()
    assert caveat.kind == "not finished" and "ends at epoch 0, and it is left out" in caveat.sentence
    indices = pd.read_csv(tmp_path / "indices.csv")
    assert set(indices.n) == {3}, "what is cut off is no seed"
    found = open_page(
        page,
        """
        const lines = table => [...document.querySelectorAll(`#${table} tbody tr`)];
        const cells = table => lines(table).map(line => [...line.cells].map(cell => cell.textContent));
        found.settings = cells("settings").map(line => line.slice(0, 4)); found.tests = cells("tests");
        found.hidden = [...document.querySelectorAll(".wide")].filter(w => w.scrollWidth > w.clientWidth).length;
        """,
    )  # fmt: skip
    assert found["settings"] == [
        ["optimizer.lr=0.001", "3", "3", "seed=0; seed=1; seed=2"],
        ["optimizer.lr=0.003", "3", "4", "seed=0; seed=1; seed=2"],
    ]
    first = found["tests"][0]
    assert first[:3] == ["optimizer.lr=0.003", "optimizer.lr=0.001", "expansion"] and first[6].endswith(" *")
    assert first[7:] == ["3, 3", "paired t"] and found["hidden"] == 0


def test_a_run_given_beside_its_sweep_is_one_run(swept: Path, tmp_path: Path) -> None:
    write_comparison([swept, swept / "0"], tmp_path)

    assert set(pd.read_csv(tmp_path / "indices.csv").runs) == {3}
