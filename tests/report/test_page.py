"""The report of a run, made from real rows."""

import json
import math
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pandas as pd
import pytest
from hydra import compose, initialize_config_module
from omegaconf import DictConfig

from pdtrain.commands.probe import probe
from pdtrain.commands.train import train
from pdtrain.report.page import write_report
from pdtrain.report.style import layer_colours, outstanding_input
from pdtrain.report.texts import HOW_TO_READ, TITLES
from pdtrain.results.reader import epoch_ends, load
from pdtrain.results.rows import ProbePoint
from pdtrain.results.store import ResultsStore


@pytest.fixture(scope="module")
def run_dir(configure_shared: Callable[..., DictConfig]) -> Path:
    """A finished run, to be left as it is."""
    # two lines of panels, the second not full
    properties = "probes.unit_information.properties=[luminance,contrast,luminance@receptive_field,identity]"
    return train(configure_shared("callbacks.probing.schedule.log_spaced_steps=1", properties))


@pytest.fixture(scope="module")
def page(run_dir: Path) -> Path:
    return write_report(run_dir)


@pytest.fixture
def copied_run(run_dir: Path, page: Path, tmp_path: Path) -> Path:
    """The run with its report, to be written into."""
    return shutil.copytree(run_dir, tmp_path / run_dir.name)


def test_the_page_holds_every_figure_and_how_to_read_it(page: Path) -> None:
    text = page.read_text()

    for name in ("dimension", "information", "indices", "paths", "objects", "unit_map", "heat_maps"):
        assert f'id="{name}"' in text and TITLES[name] in text
    assert text.count("How to read this") == text.count("<section")
    assert not re.search(r'(src|href)="(?!data:|#)', text), "nothing is fetched"
    assert {path.suffix for path in page.parent.iterdir()} == {".html", ".png", ".svg", ".csv"}
    for sentence in re.findall(r'class="headline">([^<]+)<', text):
        assert re.match(r"Intrinsic dimension after epoch|A unit of|Which of two objects", sentence)
    assert text.index('class="headline"') < text.index("<nav>"), "what came out comes first"


@pytest.mark.parametrize("processes", [1, 2])
def test_the_same_rows_give_the_same_files(copied_run: Path, page: Path, processes: int) -> None:
    shutil.rmtree(copied_run / "report")

    folder = write_report(copied_run, processes=processes).parent

    assert _contents(folder) == _contents(page.parent)


def _contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_points_within_an_epoch_are_no_epochs(page: Path) -> None:
    axes = json.loads(re.findall(r'id="charts">(.*?)</script>', page.read_text())[0])["axes"]

    assert axes["epochs"]["items"] == ["untrained", "epoch 1", "epoch 2"]


def test_a_table_beside_the_page_holds_what_is_drawn(run_dir: Path, page: Path) -> None:
    kept = pd.read_csv(page.parent / "values.csv", keep_default_na=False).query("quantity == 'two_nn'")

    rows = epoch_ends(load(run_dir)).query("quantity == 'two_nn'")
    assert kept["value"].tolist() == pytest.approx(rows["value"].tolist()) and len(kept) == 3 * rows.layer.nunique()


@pytest.mark.usefixtures("undrawn")
def test_a_long_training_is_shown_in_part_and_kept_whole(copied_run: Path) -> None:
    store, given = ResultsStore(copied_run), ResultsStore(copied_run).read_rows(ProbePoint(0, 0))
    for epoch in range(3, 41):
        store.write(ProbePoint(epoch, 100 * epoch), given, [])

    page = write_report(copied_run)

    text = page.read_text()
    axes = json.loads(re.findall(r'id="charts">(.*?)</script>', text)[0])["axes"]
    assert len(axes["epochs"]["items"]) == 16 and axes["epochs"]["items"][-1] == "epoch 40"
    assert "Figures show 16 of 41 epochs" in text
    assert pd.read_csv(page.parent / "values.csv")["epoch"].nunique() == 41


def test_another_probe_set_has_a_report_of_its_own(copied_run: Path, page: Path) -> None:
    with initialize_config_module("pdtrain.conf", version_base="1.3"):
        overrides = [f"run_dir={copied_run}", "probe_set=two", "layers.names=[relu1,output]"]
        probe(compose("probe", overrides), overrides)

    of_set = write_report(copied_run, probe_set="two")

    assert of_set == copied_run / "report" / "two" / "report.html"
    text = of_set.read_text()
    assert "run, two</h1>" in text and "- relu1\n" in text and 'id="stimuli"' not in text
    assert write_report(copied_run).read_bytes() == page.read_bytes()


def test_an_input_that_tells_all_about_itself_does_not_dwarf_the_layers() -> None:
    rows = pd.DataFrame({"layer_index": [0, 1, 2], "value": [3.0, 0.4, 0.1]})

    assert outstanding_input(rows) == 3.0
    assert outstanding_input(rows.assign(value=[1.0, 0.4, 0.1])) is None
    assert outstanding_input(rows[rows.layer_index == 0]) is None


def test_every_title_has_its_text() -> None:
    assert TITLES.keys() == HOW_TO_READ.keys()


def test_layers_keep_their_colours_and_differ_in_grey() -> None:
    colours = layer_colours([f"relu{i}" for i in range(6)])

    grey = [0.299 * r + 0.587 * g + 0.114 * b for r, g, b, _ in colours.values()]
    assert grey == sorted(grey) and min(b - a for a, b in pairwise(grey)) > 0.05


def test_probes_that_are_off_leave_no_empty_panels(configure: Callable[..., DictConfig]) -> None:
    run_dir = train(configure("probes.unit_information=null", "probes.object_information=null"))

    page = write_report(run_dir).read_text()

    assert 'id="dimension"' in page and 'id="information"' not in page and 'id="units"' not in page


def test_what_has_no_value_is_left_out_and_named(copied_run: Path) -> None:
    store, point = ResultsStore(copied_run), ProbePoint(0, 0)
    rows = [
        replace(row, value=math.nan, note="60 stimuli; 3.0 stimuli per value, fewer than 10")
        if row.property == "identity"
        else row
        for row in store.read_rows(point)
    ]
    units = [
        unit._replace(value=math.nan) if unit.property == "identity" else unit for unit in store.read_unit_rows(point)
    ]
    ResultsStore(copied_run, probe_set="few").write(point, rows, units)

    page = write_report(copied_run, probe_set="few").read_text()

    assert "Not estimated: unit information about identity (3.0 stimuli per value, fewer than 10)." in page
    assert 'id="unit_map"' in page and 'id="objects"' not in page and 'id="information"' in page
