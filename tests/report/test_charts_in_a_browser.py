"""The charts of a real run's page, in a real browser: pointed at, reached by keys, switched, and left for print."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from omegaconf import DictConfig

from pdtrain.commands.train import train
from pdtrain.report.page import write_report
from pdtrain.results.reader import epoch_ends, load

Open = Callable[..., dict[str, Any]]
_HELPERS = """
const figure = name => document.querySelector(`[data-chart="${name}"]`);
const points = name => [...figure(name).querySelectorAll("svg [role=img]")];
const said = element => element.getAttribute("aria-label");
const tip = () => document.querySelector(".tip").hidden ? null : document.querySelector(".tip").textContent;
const point = (element, aside = 0) => {
  const box = element.getBoundingClientRect();
  const [clientX, clientY] = [box.x + box.width / 2 + aside, box.y + box.height / 2];
  element.dispatchEvent(new PointerEvent("pointermove", {clientX, clientY, bubbles: true}));
};
const press = key => {
  document.activeElement.dispatchEvent(new KeyboardEvent("keydown", {key, bubbles: true, cancelable: true}));
};
"""


@pytest.fixture(scope="module")
def run_dir(configure_shared: Callable[..., DictConfig]) -> Path:
    """A finished run, to be left as it is."""
    return train(configure_shared("probes.unit_information.properties=[luminance,identity]"))


@pytest.fixture(scope="module")
def page(run_dir: Path) -> Path:
    return write_report(run_dir)


def _said(row: pd.Series, unit: str) -> str:
    when = f"epoch {row['epoch']}" if row["epoch"] else "untrained"
    return f"layer {row['layer']}, {when}: {row['value']:.3g} [{row['lower']:.3g}, {row['upper']:.3g}] {unit}"


def _without_bounds(labels: list[str]) -> list[str]:
    return [label.removesuffix(", a lower bound") for label in labels]


def test_what_is_pointed_at_or_reached_by_keys_says_the_value_that_load_gives(
    run_dir: Path, page: Path, open_page: Open
) -> None:
    found = open_page(
        page,
        _HELPERS
        + """
        found.labels = points("dimension").map(said);
        found.pointed = points("dimension").map(element => { point(element); return tip(); });
        point(points("dimension")[0], -300); found.far = tip();
        found.paths = points("paths").map(said);
        found.maps = points("heat_maps").map(element => { point(element); return tip(); });
        points("dimension")[0].focus();
        found.reached = [];
        for (const key of ["", "Right", "Right", "Up", "Left", "Down", "End", "Right", "Home"]) {
          press(["", "End", "Home"].includes(key) ? key : `Arrow${key}`);
          found.reached.push([said(document.activeElement), tip()]);
        }
        found.ring = getComputedStyle(document.activeElement).strokeWidth;
        found.tabs = points("dimension").filter(element => element.tabIndex === 0).length;
        press("Escape"); found.after = tip();
        """,
    )

    rows = epoch_ends(load(run_dir)).query("quantity == 'two_nn' and layer != ''")
    of_epochs = rows.sort_values(["epoch", "layer_index"]).reset_index(drop=True)
    expected = [_said(row, "dimensions") for _, row in of_epochs.iterrows()]
    assert _without_bounds(found["labels"]) == expected
    said = zip(found["labels"], found["pointed"], strict=True)
    assert all(label in pointed.splitlines() for label, pointed in said), "points that lie on another too"
    assert found["far"] is None
    assert set(expected) <= set(_without_bounds(found["paths"])) and set(expected) <= set(
        _without_bounds(found["maps"])
    )
    layers = rows.layer.nunique()
    reached = [0, 1, 2, layers + 2, layers + 1, 1, len(expected) - 1, len(expected) - 1, 0]
    assert [found["labels"].index(label) for label, _ in found["reached"]] == reached
    assert all(label == tip for label, tip in found["reached"])
    assert found["ring"] == "2.5px" and found["tabs"] == 1 and found["after"] is None


def test_layers_and_epochs_are_switched_off_and_on(run_dir: Path, page: Path, open_page: Open) -> None:
    found = open_page(
        page,
        _HELPERS
        + """
        const labels = name => [...figure(name).querySelectorAll("label")];
        const box = (name, text) => labels(name).find(label => label.textContent === text).querySelector("input");
        const of = (name, text) => points(name).filter(element => said(element).includes(text)).length;
        const switched = (name, text, what) => {
          const before = of(name, what); box(name, text).click(); const off = of(name, what); box(name, text).click();
          return [before, off, of(name, what)];
        };
        found.views = figure("paths").querySelectorAll("svg[role=application]").length;
        found.path = switched("paths", "relu1", "layer relu1,");
        found.profile = switched("information", "epoch 1", "epoch 1:");
        found.layer = switched("dimension", "relu1", "layer relu1,");
        found.line = switched("heat_maps", "relu1", "layer relu1,");
        const none = figure("paths").querySelector('[aria-label="Layers: none"]');
        none.click(); found.none = points("paths").length;
        none.previousSibling.click(); found.all = points("paths").length > 0;
        const step = figure("dimension").querySelector("[type=range]");
        step.value = 1; step.dispatchEvent(new Event("input"));
        found.stepped = [...new Set(points("dimension").map(element => said(element).split(/, |:/)[1]))];
        found.told = step.getAttribute("aria-valuetext");
        found.unnamed = [...document.querySelectorAll(".chart input, .chart button")].filter(
          control => !control.labels?.[0]?.textContent && !said(control) && !control.textContent).length;
        """,
        width=390,
    )

    epochs = 3 * found["views"]
    assert found["path"] == [epochs, 0, epochs] and found["views"] > 1
    layers = load(run_dir).query("layer != ''").layer.nunique()
    assert found["profile"] == [2 * layers, 0, 2 * layers], "two properties"
    assert found["layer"] == [3, 0, 3] and found["line"][0] > found["line"][1] == 0
    assert found["none"] == 0 and found["all"]
    assert found["stepped"] == ["untrained", "epoch 1"] and found["told"] == "epoch 1" and found["unnamed"] == 0


def test_values_are_there_as_tables_too(run_dir: Path, page: Path, open_page: Open) -> None:
    found = open_page(
        page,
        _HELPERS
        + """
        const details = [...figure("dimension").querySelectorAll("details")].pop();
        details.open = true; details.dispatchEvent(new Event("toggle"));
        found.cells = [...details.querySelectorAll("tr")].map(row => [...row.cells].map(cell => cell.textContent));
        """,
    )

    heading, *lines = found["cells"]
    assert heading == ["", "untrained", "epoch 1", "epoch 2"]
    row = load(run_dir).query("quantity == 'two_nn' and layer == 'relu1' and epoch == 2").iloc[0]
    (line,) = [line for line in lines if line[0] == "layer relu1"]
    assert line[3] == f"{row['value']:.3g} [{row['lower']:.3g}, {row['upper']:.3g}]"


def test_without_scripts_and_on_paper_the_drawn_figures_stand(page: Path, open_page: Open, tmp_path: Path) -> None:
    seen = """
    const seen = () => [...document.querySelectorAll("figure .drawn")].filter(drawn => drawn.offsetHeight > 0).length;
    found.figures = document.querySelectorAll("figure").length; found.before = seen();
    for (const rule of [...document.styleSheets[0].cssRules].filter(rule => rule.media?.mediaText === "print"))
      rule.media.mediaText = "all";
    found.printed = seen();
    found.charts = [...document.querySelectorAll(".chart")].filter(chart => chart.offsetHeight > 0).length;
    """
    found = open_page(page, seen)
    assert found["before"] == 1, "the stimuli, which are no chart"
    assert found["printed"] == found["figures"] > 8 and found["charts"] == 0

    plain = tmp_path / "plain.html"
    plain.write_text(re.sub(r"<script.*?</script>", "", page.read_text(), flags=re.S))
    without = open_page(plain, seen)
    assert without["before"] == without["figures"]


def test_what_is_said_of_an_index_stands_beside_it(page: Path, open_page: Open) -> None:
    found = open_page(
        page,
        """
        const table = document.querySelector("#summary .wide");
        found.notes = [...table.querySelectorAll("tr")].map(row => row.lastElementChild.textContent);
        found.beyond = table.scrollWidth - table.clientWidth;
        """,
    )

    assert any("too few at fixed identity" in note for note in found["notes"])
    assert found["beyond"] == 0
