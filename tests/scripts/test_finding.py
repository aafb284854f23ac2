"""The page of the finding says what the kept rows say."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import finding
from pdtrain.claims.declared import read_claims
from pdtrain.claims.verdicts import judge
from pdtrain.results.status import write_status

_PROPERTIES = read_claims().quantities["information"].properties


@pytest.fixture
def kept(write_run: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Rows of four made-up runs on rendered objects, whose peak doubles and whose units lose half."""
    flat, told = (10.0, 15.0, 20.0, 15.0, 12.0, 5.0), (0.9, 0.4, 0.3, 0.2, 0.1, 0.1)
    for seed, factor in enumerate((1.9, 2.0, 2.1, 2.0)):
        before: dict[str, Any] = {"intrinsic_dimension/two_nn/": flat}
        after: dict[str, Any] = {
            "intrinsic_dimension/two_nn/": (10.0, 15.0, 20.0 * factor, 15.0, 6.0 + 0.1 * seed, 5.0)
        }
        for name in _PROPERTIES:
            before[f"unit_information/normalized_mean_at_fixed_identity/{name}"] = told
            after[f"unit_information/normalized_mean_at_fixed_identity/{name}"] = (*told[:4], 0.05 + 0.001 * seed, 0.1)
        profiles = {(0, 0): before, (1, 9): after, (2, 18): after}
        folder = write_run(profiles, seed=seed, experiment="prune_and_distill", error=0.001)
    monkeypatch.setattr(finding, "KEPT", tmp_path / "kept")
    finding.KEPT.mkdir()
    finding.keep_all([str(folder.parent)], None)
    return folder.parent


def test_every_verdict_and_effect_is_on_the_page(kept: Path, tmp_path: Path) -> None:
    page = finding.write(tmp_path / "finding.md").read_text()

    (of,) = judge([kept], read_claims())
    for verdict in of.verdicts:
        line = next(line for line in page.splitlines() if line.startswith("|") and verdict.claim.title in line)
        assert f"**{verdict.verdict}**" in line
    part = of.verdicts[0].parts["more_expansion"]
    assert of.verdicts[0].verdict == "shown" and f"{part.effect.value:.3f}" in page
    assert "- **Shown**: Dimension expands, then contracts" in page
    assert all(name in page.split("## Verdicts")[0] for name in ("expansion +", "contraction -", "more contraction -"))
    assert f"p = {of.verdicts[0].p_value:.2g}" in page
    assert "**-48%**" in page, "what the last hidden layer told of each property"
    assert re.search(r"\| dimension +\| 10 \(", page), "the values themselves"
    assert "<" not in page
    assert "last hidden layer (relu4): half-way, to stay beyond, at step 9" in page
    drawn = {path.name for path in (tmp_path / "finding").iterdir()}
    shown = set(re.findall(r"\]\(finding/(\w+\.png)\)", page))
    assert "opening.png" in shown <= drawn
    assert "$" not in page.partition("## How it was made")[0]


def test_the_same_rows_make_the_same_page(kept: Path, tmp_path: Path) -> None:
    first = finding.write(tmp_path / "finding.md").read_bytes()

    assert finding.write(tmp_path / "finding.md").read_bytes() == first
    runs = json.loads((finding.KEPT / "runs.json").read_text())
    (finding.KEPT / "runs.json").write_text(json.dumps(runs[1:]))
    assert finding.write(tmp_path / "finding.md").read_bytes() != first, "a run less"


def test_what_was_left_out_is_on_the_page_wherever_it_is_made(kept: Path, tmp_path: Path) -> None:
    write_status(kept / "prune_and_distill-3", "running")
    finding.keep_all([str(kept)], None)

    page = finding.write(tmp_path / "finding.md").read_text()

    assert "- `sweep/prune_and_distill-3`: Not finished" in page
    assert "Runs: 3 of main." in page and str(tmp_path) not in page


@pytest.mark.skipif(not finding.PAGE.is_file(), reason="no finding is committed yet")
def test_the_page_in_the_repository_is_what_its_rows_say(tmp_path: Path) -> None:
    assert finding.write(tmp_path / finding.PAGE.name).read_text() == finding.PAGE.read_text()
    assert finding.opening(finding.PAGE.read_text()) in finding.README.read_text()
    size = sum(path.stat().st_size for path in finding.KEPT.glob("*.parquet"))
    assert size < 5e6, "rows that the repository keeps"
