"""Names of layers, areas, properties and settings from elsewhere: no report dies of one, and none does anything."""

import json
import re
import shutil
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
import pytest
from omegaconf import DictConfig, OmegaConf

from pdtrain.checksums import from_json, json_with_checksum
from pdtrain.commands.train import train
from pdtrain.errors import one_line
from pdtrain.report.area_figures import neuron_distribution
from pdtrain.report.comparison import write_comparison
from pdtrain.report.comparison_tables import write_table
from pdtrain.report.console import plain_console
from pdtrain.report.csv_tables import write_csv
from pdtrain.report.figure_files import save_figure
from pdtrain.report.page import write_report
from pdtrain.report.style import in_legend
from pdtrain.report.summary import print_summary
from pdtrain.results.reader import load

_FORMULAS = [
    "=1+1", "=cmd|' /C calc'!A0", "+1+cmd", "-2+3+cmd", "@SUM(1)", '=HYPERLINK("http://x","y")', " =1+1", "\t=1+1",
    "\r=1+1", "\n=1+1", "=", "-", "--", "+x", "\uff1d1+1", "-relu", "@receptive_field", "-1e5x", "+-1",
]  # fmt: skip
_NO_FORMULAS = ["a=b", "1-2", "relu1", "", "-1.5", "+3", "-inf", "-1e-5", "x@y", "lr=-1", "'=1", "0"]
_MATHTEXT = [
    "$", "$$", "a$b$c", "$\\frac{$", "$\\undefined$", "$x^$", "$_$", "$\\sqrt", "\\$5$", "${a}$", "$}{$",
    "\\alpha$\\beta$", "$\\mathdefault{$", "$a_b_c$", "$^$^$",
]  # fmt: skip
_MARKUP = [
    "[/bold]", "[bold]x", "[red]", "[/]", "[link=http://x]y[/link]", ":smile:", "[@click=f]", "\\[a]", "[[a]]",
    "[#fff]",
]  # fmt: skip
_HTML = [
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", '" onload="alert(1)', "'><svg/onload=alert(1)>",
    "</pre>", "</title><script>", "{{ 7 * 7 }}", "{% raw %}", "&lt;", "]]>", "<!--", "javascript:alert(1)", "</svg>",
    "&entity;",
]  # fmt: skip
_CONTROL = ["a\nb", "a\r\nb", "\x00", "\x08", "\x1b[2J\x1b]0;title\x07", "\x85", "\u2028", "\u202e", "\ufeff", "\x7f"]
_PLAIN = [
    "_conv_stem",
    "__x__",
    "{property}",
    "%s %d",
    "{}",
    "{0}",
    "a/b",
    "..",
    "nan",
    "None",
    "é",
    "µ",
    "~",
    "^",
    "#&_",
]
_NAMES = [*_FORMULAS, *_NO_FORMULAS, *_MATHTEXT, *_MARKUP, *_HTML, *_CONTROL, *_PLAIN]


@pytest.mark.parametrize("formula", [True, False])
def test_no_cell_of_a_table_is_a_formula(formula: bool, tmp_path: Path) -> None:
    names = _FORMULAS if formula else _NO_FORMULAS
    write_csv(pd.DataFrame({"name": names, "value": -1.5}), tmp_path / "table.csv")

    read = pd.read_csv(tmp_path / "table.csv", keep_default_na=False, dtype={"name": str})

    assert read["name"].tolist() == [f"'{name}" if formula and name.isprintable() else one_line(name) for name in names]
    assert read["value"].eq(-1.5).all()


def _of_latex(text: str) -> str:
    """What LaTeX sets."""
    for special, word in (("\\", "textbackslash"), ("~", "textasciitilde"), ("^", "textasciicircum")):
        text = text.replace(f"\\{word}{{}}", special * 2 if special == "\\" else special)
    return re.sub(r"\\(.)", r"\1", text)


def test_names_are_set_by_latex_as_they_are(tmp_path: Path) -> None:
    lines = [
        {"setting": name, "layer": "", "depth": 1.0, "probe": "index", "quantity": "x", "property": "", "mean": 0.5,
         "lower": 0.4, "upper": 0.6, "n": 2, "runs": 2, "with_caveat": 0}
        for name in map(one_line, _NAMES)
    ]  # fmt: skip
    write_table(pd.DataFrame(lines), tmp_path / "indices")

    cells = [line.partition(" & ")[0] for line in (tmp_path / "indices.tex").read_text().splitlines()[4:-2]]

    assert [_of_latex(cell) for cell in cells] == [line["setting"] for line in lines]
    for cell in cells:
        assert not re.search(r"(?<!\\)[&%$#_]", cell) and not re.search(r"\\(?![&%$#_{}]|text\w+\{\})", cell)


@pytest.mark.filterwarnings("ignore:Glyph")
def test_names_are_drawn_as_they_are(tmp_path: Path) -> None:
    figure, axes = plt.subplots(figsize=(9, 9))
    names = [one_line(name) for name in _NAMES]
    for place, name in enumerate(names):
        axes.plot([0, 1], [place, place], label=in_legend(name))
    axes.set_yticks(range(len(names)), names, fontsize=4)
    axes.set(title=_MATHTEXT[3], xlabel=_MATHTEXT[4])
    axes.legend(fontsize=4, ncols=4)

    drawn = ElementTree.fromstring(save_figure(figure, tmp_path, "names"))

    texts = [text.strip() for element in drawn.iter("{http://www.w3.org/2000/svg}text") for text in element.itertext()]
    for name in filter(str.strip, names):
        assert texts.count(name.strip()) >= 2, name
    assert not list(drawn.iter("{http://www.w3.org/2000/svg}script"))


def test_names_are_printed_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    for name in map(one_line, _NAMES):
        plain_console(width=200).print(name, soft_wrap=True, highlight=False)

        assert capsys.readouterr().out == f"{name}\n"


@pytest.fixture(scope="module")
def trained(configure_shared: Callable[..., DictConfig]) -> Path:
    """A small run, to be left as it is."""
    return train(
        configure_shared(
            "probes.unit_information.properties=[luminance,contrast]", "probes.object_information=null",
            "trainer.max_epochs=1", "data.training_images=64", "model.network.widths=[4]",
        )
    )  # fmt: skip


def _renamed(run_dir: Path, names: dict[str, dict[str, str]]) -> None:
    for file in (run_dir / "results").glob("*.parquet"):
        frame = pd.read_parquet(file)
        for column, new in names.items():
            frame[column] = frame[column].replace(new)
        frame.to_parquet(file, index=False)


_PROPERTIES = {"luminance": "$\\frac{$", "contrast": "<script>alert(1)</script>"}
_LAYERS = [
    "=cmd|' /C calc'!A0 $x^$", "[/bold]<img src=x onerror=alert(1)>", "_conv]]></style>{{ 7 * 7 }}",
    '\\textbf{x}&%" onload="alert(1)', "\x1b[2J\x08\x00a\nb",
]  # fmt: skip


@pytest.fixture(scope="module")
def hostile(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run, with the names of a stranger."""
    run_dir = shutil.copytree(trained, tmp_path_factory.mktemp("hostile") / "=<b>[x] $y^$")
    layers = [name for name in load(trained)["layer"].unique() if name]
    assert len(layers) <= len(_LAYERS)
    _renamed(run_dir, {"layer": dict(zip(layers, _LAYERS, strict=False)), "property": _PROPERTIES})
    measures = run_dir / "results" / "measures.json"
    content = json.dumps(from_json(measures.read_text())).replace('"bit per unit"', '"<b>$\\\\frac{$\\u0008[/]"')
    measures.write_text(json_with_checksum(json.loads(content)))
    config = OmegaConf.load(run_dir / "run.yaml")
    config.optimizer.lr = "$\\frac{$ <script>alert(2)</script> \x1b[2J & \\textbf{"
    OmegaConf.save(config, run_dir / "run.yaml")
    return run_dir


def _check_page(page: Path) -> None:
    html = page.read_text()
    assert not re.search(r"<(img src=x|script>alert|b>[^H]|svg)", html) and 'onload="alert' not in html
    assert "\x1b" not in html and "\x00" not in html
    for figure in page.parent.glob("*.svg"):
        ElementTree.parse(figure)
    for table in page.parent.glob("*.csv"):
        for column in pd.read_csv(table, keep_default_na=False).select_dtypes(["object", "string"]):
            assert not pd.read_csv(table, keep_default_na=False)[column].astype(str).str.match(r"\s*[=+@]").any(), table


def test_a_report_of_hostile_names(
    hostile: Path, capsys: pytest.CaptureFixture[str], open_page: Callable[..., dict[str, Any]]
) -> None:
    page = write_report(hostile)
    print_summary(hostile, plain_console(width=250))

    _check_page(page)
    printed = capsys.readouterr().out
    assert "\x1b" not in printed and "[/bold]" in printed and "a\\nb" in printed
    script = """
    found.scripts = document.scripts.length;
    found.labels = [...document.querySelectorAll(".chart [aria-label]")].map(e => e.getAttribute("aria-label")).join();
    document.querySelectorAll("details").forEach(details => { details.open = true; });
    found.added = document.querySelectorAll(".chart img, .chart script, .chart b").length;
    """
    found = open_page(page, script, width=1200)
    assert found["scripts"] == 6 and found["added"] == 0, "ours"
    assert "layer [/bold]<img src=x onerror=alert(1)>, " in found["labels"]


def test_a_comparison_of_hostile_names(
    hostile: Path, trained: Path, tmp_path: Path, open_page: Callable[..., dict[str, Any]]
) -> None:
    page = write_comparison([trained, hostile], tmp_path / "out")

    _check_page(page)
    script = """
    found.labels = [...document.querySelectorAll(".chart [role=img]")].map(e => e.getAttribute("aria-label")).join();
    found.added = document.querySelectorAll(".chart img, .chart script, .chart b").length;
    """
    found = open_page(page, script)
    assert "<script>alert(2)</script>" in found["labels"] and found["added"] == 0
    table = (tmp_path / "out" / "layers.tex").read_text()
    assert r"\textbackslash{}textbf\{x\}\&\%" in table and "\\textbf" not in table
    assert pd.read_csv(tmp_path / "out" / "layers.csv")["layer"].eq("'=cmd|' /C calc'!A0 $x^$").any()


def test_areas_of_hostile_names_are_drawn(tmp_path: Path) -> None:
    areas = [one_line(name) for name in [*_MATHTEXT, "_V1", "<b>"]]
    units = pd.DataFrame(
        {
            "layer": areas,
            "unit": 0,
            "probe": "unit_information",
            "quantity": "information",
            "property": "$x^$",
            "value": 0.5,
        }
    )

    figure = neuron_distribution(units, "$x^$")

    assert len(figure.axes[0].get_legend().get_texts()) == len(areas)
    save_figure(figure, tmp_path, "neurons")
