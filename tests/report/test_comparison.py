import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
import pytest
from hydra import compose, initialize_config_module
from scipy import stats

from pdtrain.commands.report import report
from pdtrain.errors import InputError
from pdtrain.report.comparison import write_comparison
from pdtrain.report.comparison_figures import compared_profiles
from pdtrain.report.comparison_tables import summarise
from pdtrain.results.configuration import save_configuration
from pdtrain.results.measures import DIMENSION
from pdtrain.results.rows import ProbePoint, Row
from pdtrain.results.run_folder import RunFolder
from pdtrain.results.store import ResultsStore

_VALUES = {(1, "[4]"): 2.0, (2, "[4]"): 3.0, (3, "[4]"): 4.0, (1, "[8]"): 5.0, (2, "[8]"): 7.0}


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    """Five runs of known values: two widths, several seeds."""
    for job, ((seed, widths), value) in enumerate(_VALUES.items()):
        run_dir = tmp_path / "sweep" / str(job)
        with initialize_config_module("pdtrain.conf", version_base="1.3"):
            overrides = [f"seed={seed}", f"model.network.widths={widths}", f"paths.run_dir={run_dir}"]
            save_configuration(run_dir, compose("train", overrides))
        rows = [
            Row("", -1, float("nan"), "index", "expansion", "two_nn", value),
            *(Row(f"relu{i}", i, i / 2, "intrinsic_dimension", "two_nn", "", value + i) for i in range(3)),
        ]
        store = ResultsStore(run_dir)
        store.write(ProbePoint(0, 0), rows, [])
        store.write(ProbePoint(1, 5), rows, [])
    return tmp_path / "sweep"


def test_mean_and_interval_are_students_over_seeds(sweep: Path, tmp_path: Path) -> None:
    page = write_comparison([sweep], tmp_path / "out")

    table = pd.read_csv(tmp_path / "out" / "indices.csv").set_index("setting")
    three = table.loc["model.network.widths=[4]"]
    low, high = stats.t.interval(0.95, 2, loc=3.0, scale=1 / math.sqrt(3))
    assert (three["mean"], three.runs) == (3.0, 3)
    assert (three.lower, three.upper) == (pytest.approx(low), pytest.approx(high))
    assert table.loc["model.network.widths=[8]", "mean"] == 6.0
    assert r"model.network.widths=[4] & expansion (two\_nn) & 3.00 &" in (tmp_path / "out" / "indices.tex").read_text()
    assert "Comparison of 5 runs" in page.read_text()
    assert (tmp_path / "out" / "comparison_dimension.svg").exists()


def test_layers_are_tabulated_and_indices_drawn_over_epochs(sweep: Path, tmp_path: Path) -> None:
    page = write_comparison([sweep], tmp_path / "out")

    layers = pd.read_csv(tmp_path / "out" / "layers.csv").set_index(["setting", "layer"])
    assert layers.loc[("model.network.widths=[4]", "relu2"), "mean"] == 3.0 + 2
    assert layers.loc[("model.network.widths=[8]", "relu1"), "runs"] == 2
    tex = (tmp_path / "out" / "layers.tex").read_text()
    assert r"model.network.widths=[8] & relu1 & two\_nn & 7 & " in tex and r"\begin{tabular}{lllrrr}" in tex
    assert 'id="comparison_dynamics"' in page.read_text()


def test_lines_of_many_settings_are_told_apart_in_grey() -> None:
    places = [
        {"setting": f"s{i}", "layer": layer, "layer_index": j, "depth": j, "property": "", "mean": i,
         "probe": DIMENSION.probe, "quantity": DIMENSION.quantity,
         "lower": i - 1, "upper": i + 1, "n": 3, "note": ""}
        for i in range(28) for j, layer in enumerate(["input", "output"])
    ]  # fmt: skip

    figure = compared_profiles(pd.DataFrame(places), [DIMENSION])

    lines = figure.axes[0].lines
    without_colour = [(line.get_linestyle(), line.get_marker()) for line in lines]
    assert len({(line.get_color(), *style) for line, style in zip(lines, without_colour, strict=True)}) == 28
    assert len(set(without_colour[:20])) == 20
    plt.close(figure)


def test_a_click_on_a_heading_sorts(sweep: Path, tmp_path: Path, open_page: Callable[..., dict[str, Any]]) -> None:
    page = write_comparison([sweep], tmp_path / "out", by="seed")
    script = """
    const of = "#table ";
    const button = text => [...document.querySelectorAll(of + "th button")].find(b => b.textContent === text);
    const column = place => [...document.querySelectorAll(of + "tbody tr")].map(line => line.cells[place].textContent);
    button("mean").click(); found.rising = column(3); button("mean").click(); found.falling = column(3);
    button("setting").click(); found.settings = column(0);
    """

    found = open_page(page, script)

    assert found["rising"] == ["3.50", "4.00", "5.00"] and found["falling"] == ["5.00", "4.00", "3.50"]
    assert found["settings"] == ["seed=1", "seed=2", "seed=3"]


def test_one_run_has_no_interval() -> None:
    rows = pd.DataFrame([Row("", -1, 0.0, "index", "expansion", "two_nn", 2.0).__dict__ | {"setting": "all runs"}])

    (row,) = summarise(rows).to_dict("records")

    assert row["mean"] == 2.0 and math.isnan(row["lower"]) and row["runs"] == 1


def test_dead_runs_and_controls_are_named_on_the_page_and_counted_in_the_tables(sweep: Path, tmp_path: Path) -> None:
    dead = Row("relu1", 1, 0.5, "unit_information", "silent_fraction", "luminance", 0.97)
    ResultsStore(sweep / "2").write(
        ProbePoint(2, 10), [Row("", -1, math.nan, "index", "expansion", "two_nn", 4.0), dead], []
    )

    page = write_comparison([sweep], tmp_path / "out").read_text()

    assert page.count("Dead network at epoch 2: ") == 1 and f"{sweep / '2'}: Dead network" in page
    caveats = pd.read_csv(tmp_path / "out" / "caveats.csv")
    assert [(Path(c.run).name, c.setting, c.kind) for c in caveats.itertuples()] == [
        ("2", "model.network.widths=[4]", "dead network")
    ]
    table = pd.read_csv(tmp_path / "out" / "indices.csv").set_index("setting")
    assert table.with_caveat.to_dict() == {"model.network.widths=[4]": 1, "model.network.widths=[8]": 0}
    assert "& 3 (1 with a caveat)" in (tmp_path / "out" / "indices.tex").read_text()
    assert ">3 (1 with a caveat)<" in page and ">2<" in page


def test_runs_with_a_caveat_are_counted_where_estimators_are_kept_apart(sweep: Path, tmp_path: Path) -> None:
    dead = Row(
        "relu1", 1, 0.5, "unit_information", "silent_fraction", "luminance", 0.97, estimator="unit_information 2"
    )
    older = Row("", -1, math.nan, "index", "expansion", "two_nn", 4.0, estimator="index 1")
    newer = Row("", -1, math.nan, "index", "expansion", "two_nn", 4.0, estimator="index 2")
    for job, rows in (("0", [older]), ("1", [newer, dead]), ("2", [newer])):
        ResultsStore(sweep / job).write(ProbePoint(2, 10), rows, [])

    write_comparison([sweep], tmp_path / "out")

    table = pd.read_csv(tmp_path / "out" / "indices.csv").set_index("setting")
    counts = table.filter(like="[4]", axis=0)[["runs", "with_caveat"]]
    assert counts.filter(like="index 1", axis=0).to_numpy().tolist() == [[1, 0]]
    assert counts.filter(like="index 2", axis=0).to_numpy().tolist() == [[2, 1]]


def test_a_comparison_of_sound_runs_has_no_banner(sweep: Path, tmp_path: Path) -> None:
    page = write_comparison([sweep], tmp_path / "out").read_text()

    assert 'role="alert"' not in page and page.count('<p class="note">') == 1
    assert "No test between settings: 3 and 2 runs; a test needs 3 of each." in page
    assert pd.read_csv(tmp_path / "out" / "caveats.csv").empty


def test_a_single_run_is_no_comparison(sweep: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="at least two runs"):
        write_comparison([sweep / "0"], tmp_path / "out")


def test_networks_with_other_layers_are_compared_at_relative_depth() -> None:
    def line(setting: str, layers: list[str]) -> list[dict]:
        return [
            {"setting": setting, "layer": layer, "layer_index": i, "depth": i / (len(layers) - 1), "property": "",
             "probe": DIMENSION.probe, "quantity": DIMENSION.quantity,
             "mean": 1.0, "lower": 0.5, "upper": 1.5, "n": 3, "note": ""}
            for i, layer in enumerate(layers)
        ]  # fmt: skip

    same = pd.DataFrame([*line("a", ["input", "relu1", "output"]), *line("b", ["input", "relu1", "output"])])
    other = pd.DataFrame([*line("a", ["input", "relu1", "output"]), *line("b", ["input", "output"])])

    for table, label, last in ((same, "layer (relative depth)", 2), (other, "relative depth", 1)):
        figure = compared_profiles(table, [DIMENSION])
        axes = figure.axes[0]
        assert axes.get_xlabel() == label
        assert [drawn.get_xdata()[-1] for drawn in axes.lines] == [last, last]
        plt.close(figure)


def test_values_of_other_estimators_are_never_pooled(sweep: Path, tmp_path: Path) -> None:
    old, new = (
        Row("relu1", 1, 0.5, "unit_information", "mean", "luminance", value, estimator=estimator)
        for value, estimator in ((0.1, "unit_information 1"), (0.5, "unit_information 2 permutation"))
    )
    index = Row("", -1, math.nan, "index", "expansion", "two_nn", 4.0)
    for job, row in enumerate((old, new, new)):
        ResultsStore(sweep / str(job)).write(ProbePoint(2, 10), [index, row], [])

    page = write_comparison([sweep], tmp_path / "out").read_text()

    layers = pd.read_csv(tmp_path / "out" / "layers.csv")
    means = layers[layers.quantity == "mean"].set_index("setting")["mean"]
    assert means.to_dict() == {
        "model.network.widths=[4] (unit_information 1)": 0.1,
        "model.network.widths=[4] (unit_information 2 permutation)": 0.5,
    }
    assert "Mixed estimators: values of unit_information come from 2 estimators" in page


def test_lower_bounds_are_kept_of_any_run() -> None:
    notes = ("", "lower bound: 1000 points are too few for more than 20 dimensions")
    rows = pd.DataFrame(
        [
            Row("relu1", 1, 0.5, "intrinsic_dimension", "two_nn", "", 30.0, note=note).__dict__ | {"setting": "s"}
            for note in notes
        ]
    )

    (line,) = summarise(rows).to_dict("records")

    assert line["note"].startswith("lower bound") and line["runs"] == 2


def test_runs_of_a_script_of_ones_own_are_compared(tmp_path: Path, undrawn: None) -> None:
    for version, value in enumerate((2.0, 4.0)):
        rows = [Row(f"relu{i}", i, i / 2, "intrinsic_dimension", "two_nn", "", value + i) for i in range(3)]
        ResultsStore(tmp_path / "logs" / f"version_{version}").write(ProbePoint(1, 5), rows, [])

    with initialize_config_module("pdtrain.conf", version_base="1.3"):
        report(compose("report", [f"run_dir={tmp_path / 'logs'}", f"out={tmp_path / 'out'}"]))

    layers = pd.read_csv(tmp_path / "out" / "layers.csv")
    assert layers[layers.layer == "relu1"].set_index("setting")["mean"].to_dict() == {
        str(tmp_path / "logs" / "version_0"): 3.0, str(tmp_path / "logs" / "version_1"): 5.0
    }  # fmt: skip


def test_of_a_folder_that_holds_one_run_that_run_is_reported(
    tmp_path: Path, undrawn: None, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "sweep" / "0"
    rows = [Row(f"relu{i}", i, i / 2, "intrinsic_dimension", "two_nn", "", 2.0 + i) for i in range(3)]
    ResultsStore(run).write(ProbePoint(1, 5), rows, [])

    with initialize_config_module("pdtrain.conf", version_base="1.3"):
        page = report(compose("report", [f"run_dir={tmp_path / 'sweep'}"]))

    assert page == RunFolder(run).page() and page.is_file()
    assert f"results: {RunFolder(run).results()}" in capsys.readouterr().out.replace("\n", " ")
    assert [path.name for path in (tmp_path / "sweep").iterdir()] == ["0"]
