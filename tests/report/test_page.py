"""The report of a run, made from real rows and opened in a real browser."""

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from omegaconf import DictConfig

from pdtrain.report.page import write_report
from pdtrain.report.style import layer_colours
from pdtrain.report.texts import HOW_TO_READ, TITLES
from pdtrain.train import train

_CHROMIUM = shutil.which("chromium")
_PROBE_OF_THE_PAGE = """<script>
window.addEventListener("load", () => {
const found = {errors: window.failures, frames: []};
for (const slider of document.querySelectorAll(".slider input")) {
  for (const place of [0, 1, Number(slider.max)]) {
    slider.value = place; slider.dispatchEvent(new Event("input"));
    const shown = [...slider.closest("figure").querySelectorAll("img")].filter(frame => !frame.hidden);
    found.frames.push([shown.map(frame => frame.dataset.label).join(), slider.nextElementSibling.value]);
  }
}
found.broken = [...document.images].filter(image => !image.complete || !image.naturalWidth).length;
found.wider = document.documentElement.scrollWidth > document.documentElement.clientWidth;
const note = document.createElement("script"); note.type = "application/json"; note.id = "found";
note.textContent = JSON.stringify(found); document.body.append(note);
});
</script>"""


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from hydra import compose, initialize_config_module

    from tests.conftest import TINY

    folder = tmp_path_factory.mktemp("report")
    paths = [f"paths.run_dir={folder}/run", f"paths.data={folder}/data", f"paths.runs={folder}"]
    schedule = "callbacks.probing.schedule.log_spaced_steps=1"
    with initialize_config_module("pdtrain.conf", version_base="1.3"):
        config = compose("train", [*TINY, *paths, schedule])
    return train(config)


def test_the_page_holds_every_figure_and_how_to_read_it(run_dir: Path) -> None:
    page = write_report(run_dir).read_text()

    for name in ("dimension_slider", "information_slider", "indices", "paths", "objects", "unit_map", "heat_maps"):
        assert f'id="{name}"' in page and TITLES[name] in page
    assert page.count("How to read this") == page.count("<section")
    assert not re.search(r'(src|href)="(?!data:|#)', page), "nothing is fetched"
    assert {path.suffix for path in (run_dir / "report").iterdir()} == {".html", ".png", ".svg"}


def test_the_same_rows_give_the_same_page(run_dir: Path) -> None:
    assert write_report(run_dir).read_bytes() == write_report(run_dir).read_bytes()


def test_points_within_an_epoch_are_no_epochs(run_dir: Path) -> None:
    page = write_report(run_dir).read_text()

    labels = re.findall(r'alt="Intrinsic dimension along depth, (epoch \d+)"', page)
    assert labels == ["epoch 0", "epoch 1", "epoch 2"]


@pytest.mark.skipif(_CHROMIUM is None, reason="needs chromium")
@pytest.mark.parametrize("width", [1200, 390])
def test_the_page_works_in_a_browser(run_dir: Path, tmp_path: Path, width: int) -> None:
    watch = '<script>window.failures = []; window.addEventListener("error", e => failures.push(e.message));</script>'
    page = write_report(run_dir).read_text().replace("<head>", f"<head>{watch}")
    copy = tmp_path / "page.html"
    copy.write_text(page.replace("</body>", f"{_PROBE_OF_THE_PAGE}</body>"))
    options = ["--headless", "--no-sandbox", "--disable-gpu", f"--window-size={width},900", "--dump-dom"]
    command = [str(_CHROMIUM), *options, copy.as_uri()]

    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)

    text = re.search(r'id="found">(.*?)</script>', done.stdout, re.S)
    assert text is not None
    found = json.loads(text[1])
    assert found["errors"] == [] and found["broken"] == 0
    assert not found["wider"], "the page itself never scrolls sideways"
    assert found["frames"] == [[f"epoch {e}", f"epoch {e}"] for _ in range(2) for e in (0, 1, 2)]
    assert "CONSOLE" not in done.stderr


def test_every_title_has_its_text() -> None:
    assert TITLES.keys() == HOW_TO_READ.keys()


def test_layers_keep_their_colours_and_differ_in_grey() -> None:
    colours = layer_colours([f"relu{i}" for i in range(6)])

    grey = [0.299 * r + 0.587 * g + 0.114 * b for r, g, b, _ in colours.values()]
    assert grey == sorted(grey) and min(b - a for a, b in pairwise(grey)) > 0.05


def test_probes_that_are_off_leave_no_empty_panels(configure: Callable[..., DictConfig]) -> None:
    run_dir = train(configure("probes.unit_information=null", "probes.object_information=null"))

    page = write_report(run_dir).read_text()

    assert 'id="dimension_slider"' in page and 'id="information_slider"' not in page and 'id="units"' not in page
