from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from omegaconf import OmegaConf

from pdtrain.claims.declared import Claims
from pdtrain.commands.report import report
from pdtrain.report.claims import CHANGES, CLAIMS, HALF_WAY, OVER_TRAINING, write_claims
from pdtrain.report.claims_figures import mean_profile
from pdtrain.results.status import write_status

_ID = "intrinsic_dimension/two_nn/"
_INFORMATION = "unit_information/normalized_mean_at_fixed_identity/luminance"
_FACTORS = (1.9, 2.0, 2.1, 2.0)


def _claims() -> Claims:
    grows = {"of": "dimension", "layers": {"peak": 1}, "training": {"untrained": -1, "trained": 1}, "above": 0.1}
    pruned = {"of": "information", "layers": {"last": 1}, "training": {"untrained": -1, "trained": 1}, "below": 0}
    return Claims.model_validate(
        {
            "level": 0.05,
            "fewest_seeds": 3,
            "fewest_layers": 4,
            "quantities": {
                "dimension": {"probe": "intrinsic_dimension", "quantity": "two_nn", "scale": "log"},
                "information": {
                    "probe": "unit_information",
                    "quantity": "normalized_mean_at_fixed_identity",
                    "properties": ["luminance"],
                },
            },
            "claims": {
                "grows": {"title": "<i>It</i> grows", "parts": {"peak": grows}, "beside": {"pruned": pruned}},
                "alike": {"title": "Together", "correlation": {"of": ["dimension", "information"], "below": 0}},
            },
            "data_sets": {"made <things>": {"main": {"experiment": "made"}}},
        }
    )


@pytest.fixture
def sweep(write_run: Callable[..., Path]) -> Path:
    flat = (10.0, 15.0, 20.0, 15.0, 12.0, 5.0)
    for seed, factor in enumerate(_FACTORS):
        peaked = (10.0, 15.0, 20.0 * factor, 15.0, 6.0, 5.0)
        before, after = (0.9, 0.5, 0.4, 0.3, 0.2, 0.1), (0.9, 0.4, 0.3, 0.2, 0.1 + 0.001 * seed, 0.1)
        profiles: dict[tuple[int, int], dict[str, Any]] = {
            (0, 0): {_ID: flat, _INFORMATION: before},
            (0, 4): {_ID: flat, _INFORMATION: before},
            (1, 9): {_ID: flat, _INFORMATION: after},
            (3, 27): {_ID: peaked, _INFORMATION: after},
        }
        folder = write_run(profiles, seed=seed)
    return folder.parent


def test_the_page_says_verdicts_and_the_tables_hold_their_numbers(sweep: Path, tmp_path: Path) -> None:
    page, judged = write_claims([sweep], tmp_path / "out", _claims())

    html = page.read_text()
    assert html.count('<b class="verdict">shown</b>') == 1 and html.count('<b class="verdict">not judged</b>') == 0
    assert "&lt;i&gt;It&lt;/i&gt; grows" in html and "made &lt;things&gt;" in html
    table = pd.read_csv(tmp_path / "out" / CLAIMS).set_index("part")
    assert table.loc["peak", "verdict"] == "shown" and table.loc["peak", "seeds"] == 4
    assert table.loc["peak", "effect"] == pytest.approx(judged[0].verdicts[0].parts["peak"].effect.value)
    assert pd.isna(table.loc["pruned (beside)", "verdict"]), "what stands beside has no say"


def test_what_training_changes_is_tabulated_by_layer_and_by_point(sweep: Path, tmp_path: Path) -> None:
    write_claims([sweep], tmp_path / "out", _claims())

    changes = pd.read_csv(tmp_path / "out" / CHANGES).set_index("layer")
    assert list(changes.index) == ["relu1", "relu2", "relu3", "relu4"]
    assert changes.loc["relu4", "difference"] == pytest.approx(-0.0985)
    assert changes.loc["relu4", "p_value"] < 0.001 and pd.isna(changes.loc["relu1", "p_value"]), "all seeds alike"
    course = pd.read_csv(tmp_path / "out" / OVER_TRAINING)
    last = course[course["place"] == "last"]
    of_information = last[last["quantity"].str.startswith("normalized")].set_index("step")
    assert list(of_information.index) == [0, 4, 9, 27]
    half = pd.read_csv(tmp_path / "out" / HALF_WAY).set_index(["quantity", "place"])["median"]
    assert half["two_nn", "last"] == 27 and half["normalized_mean_at_fixed_identity", "last"] == 9
    assert (tmp_path / "out" / "course_0.png").is_file()
    assert of_information.loc[4, "change"] == 0 and of_information.loc[9, "change"] == pytest.approx(-0.0985)


def test_profiles_are_means_over_seeds_not_on_the_logarithm(sweep: Path) -> None:
    claims = _claims()
    runs = write_claims([sweep], sweep / "out", claims)[1][0].groups["main"].runs

    profile = mean_profile(list(runs.values()), claims.quantities["dimension"], "trained").set_index("layer")

    assert profile.loc["relu2", "mean"] == pytest.approx(20 * sum(_FACTORS) / 4)
    assert profile.loc["relu2", "lower"] < 20 * 1.9 < 20 * 2.1 < profile.loc["relu2", "upper"]


def test_the_command_judges_by_a_file(sweep: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = sweep / "mine.yaml"
    file.write_text(OmegaConf.to_yaml(OmegaConf.create(_claims().model_dump(exclude_none=True, mode="json"))))
    write_status(sweep / "made-3", "running")
    given = {"run_dir": str(sweep), "claims": str(file), "by": None, "probe_set": None, "out": None}

    page = report(OmegaConf.create(given))

    said = capsys.readouterr().out
    assert "made-3: left out. Not finished" in said.replace("\n", "")
    assert page == sweep / "report" / "claims.html" and page.is_file()
    assert "shown: <i>It</i> grows" in said and str(sweep / "report" / CLAIMS) in said.replace("\n", "")


def test_of_a_run_that_has_only_begun_nothing_is_judged(write_run: Callable[..., Path], tmp_path: Path) -> None:
    flat = (10.0, 15.0, 20.0, 15.0, 12.0, 5.0)
    folder = write_run({(0, 0): {_ID: flat, _INFORMATION: flat}})

    page, judged = write_claims([folder], tmp_path / "out", _claims())

    assert [verdict.verdict for verdict in judged[0].verdicts] == ["not judged"] * 2
    assert "main, trained: not measured" in page.read_text()
