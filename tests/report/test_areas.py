"""The page of recorded neurons, made by the commands from the simulated example."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from omegaconf import DictConfig

from pdtrain.commands.train import train
from pdtrain.results.reader import load

_EXAMPLE = Path(__file__).parents[2] / "docs" / "examples"


def _command(module: str, *overrides: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", module, *overrides]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def cortex(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("neurons") / "cortex"
    tables = [f"responses={_EXAMPLE}/simulated_responses.csv", f"stimuli_table={_EXAMPLE}/simulated_stimuli.csv"]
    assert _command("pdtrain.commands.probe", *tables, "areas=[V1,LM,LI,LL]", f"out={out}").returncode == 0
    return out


def test_areas_stand_beside_the_layers_of_a_network(
    cortex: Path, configure: Callable[..., DictConfig], open_page: Callable[..., dict[str, Any]]
) -> None:
    run_dir = train(configure())

    done = _command("pdtrain.commands.report", f"run_dir=[{cortex},{run_dir}]")

    assert done.returncode == 0, done.stderr
    page = cortex / "report" / "areas.html"
    script = """
    found.title = document.querySelector("h1").textContent;
    const last = () => document.querySelector("tbody tr:last-child").cells[0].textContent;
    document.querySelector("th button").click(); found.deepest = last();
    document.querySelector("th button").click(); found.first = last();
    """
    found = open_page(page, script, width=390)
    assert found["title"] == "cortex beside run"
    assert (found["deepest"], found["first"]) == ("LL", "V1"), "in the order of the hierarchy, not of the alphabet"
    drawn = (cortex / "report" / "areas.svg").read_text()
    for text in (
        "V1",
        "noise corrected",
        "bit per neuron",
        "relu1 (",
        "bit per unit",
        "view-invariant object information",
    ):
        assert f">{text}" in drawn
    assert "not measured in the network" not in drawn


def test_the_table_is_that_of_the_rows(cortex: Path) -> None:
    assert _command("pdtrain.commands.report", f"run_dir={cortex}").returncode == 0

    keys = ["layer", "quantity", "property"]
    table = pd.read_csv(cortex / "report" / "areas.csv").fillna({"property": ""}).rename(columns={"area": "layer"})
    rows = load(cortex, probe_set="probe").set_index(keys)
    for key in (("LI", "two_nn", ""), ("V1", "mean_noise_corrected", "luminance")):
        given, row = table.set_index(keys).loc[key], rows.loc[key]
        assert (given["value"], given["lower"]) == pytest.approx((row["value"], row["lower"]))
    assert not (cortex / "report" / "areas.svg").read_text().count("bit per unit")


def test_two_networks_beside_neurons_are_refused(cortex: Path) -> None:
    done = _command("pdtrain.commands.report", f"run_dir=[{cortex},one,other]")

    assert done.returncode == 2
    assert done.stderr.strip().splitlines() == [
        "pdtrain-report: run_dir: give one folder of recorded neurons, and at most one run to stand beside them"
    ]
