"""The typical analysis of the documentation, on runs whose numbers are known."""

import re
import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hydra import compose, initialize_config_module
from scipy import stats

from pdtrain.loggers.csv_logger import CsvLogger
from pdtrain.results.configuration import save_configuration
from pdtrain.results.rows import ProbePoint, Row
from pdtrain.results.store import ResultsStore

_ROOT = Path(__file__).parents[2]
_SCRIPT = _ROOT / "scripts" / "examples" / "analysis.py"
_SEEDS = (1, 2, 3)
_VALUES = {False: (10.0, 11.0, 12.5), True: (14.0, 16.0, 15.5)}  # of the hidden layer, trained, by setting and seed


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """True and shuffled labels, three seeds each, two epochs: the hidden layer differs, the input does not."""
    folder = tmp_path_factory.mktemp("sweep")
    for shuffled, values in _VALUES.items():
        for seed, value in zip(_SEEDS, values, strict=True):
            run_dir = folder / f"{shuffled}-{seed}"
            given = [f"seed={seed}", f"data.shuffled_labels={str(shuffled).lower()}", f"paths.run_dir={run_dir}"]
            with initialize_config_module("pdtrain.conf", version_base="1.3"):
                save_configuration(run_dir, compose("train", given))
            logger = CsvLogger(run_dir)
            for epoch in range(3):
                of_layers = {"input": 30.0 + seed, "relu": value - 2 + epoch, "output": 5.0 + seed * value % 3}
                rows = [
                    Row(layer, place, place / 2, "intrinsic_dimension", "two_nn", "", dimension)
                    for place, (layer, dimension) in enumerate(of_layers.items())
                ]
                ResultsStore(run_dir).write(ProbePoint(epoch, 7 * epoch), rows, [])
                if epoch:
                    validated = {"epoch": float(epoch), "val/accuracy": 0.1 * epoch + 0.01 * seed, "time/epoch": 1.0}
                    logger.log_metrics(validated, step=7 * epoch)
            logger.save()
    return folder


@pytest.fixture(scope="module")
def analysis() -> dict[str, Any]:
    """Functions of the script."""
    return runpy.run_path(str(_SCRIPT))


def test_profiles_have_the_interval_over_seeds(analysis: dict[str, Any], sweep: Path) -> None:
    found = analysis["profile"](analysis["read"](str(sweep), "data.shuffled_labels"), "data.shuffled_labels")

    hidden = found[found.layer == "relu"].set_index("data.shuffled_labels")
    for setting, values in _VALUES.items():
        expected = stats.t.interval(0.95, 2, np.mean(values), stats.sem(values))
        assert hidden.loc[setting, ["lower", "upper"]].tolist() == pytest.approx(expected)


def test_accuracy_stands_beside_the_epochs(analysis: dict[str, Any], sweep: Path) -> None:
    found = analysis["over_epochs"](analysis["read"](str(sweep), "data.shuffled_labels"), "data.shuffled_labels")

    shuffled = found[found["data.shuffled_labels"]]
    assert shuffled.value.tolist() == pytest.approx([np.mean(_VALUES[True]) - 2 + epoch for epoch in range(3)])
    assert shuffled["val/accuracy"].tolist() == pytest.approx([np.nan, 0.12, 0.22], nan_ok=True)


def test_settings_are_compared_seed_by_seed(analysis: dict[str, Any], sweep: Path) -> None:
    found = analysis["paired"](analysis["read"](str(sweep), "data.shuffled_labels"), "data.shuffled_labels")

    hidden = found[found.layer == "relu"].iloc[0]
    one, other = (np.array(_VALUES[setting]) for setting in (False, True))
    assert hidden.difference == pytest.approx((other - one).mean())
    assert hidden.p_value == pytest.approx(stats.ttest_1samp(other - one, 0).pvalue)
    assert hidden.lower < hidden.difference < hidden.upper and hidden.seeds == 3
    assert found.set_index("layer").differs.to_dict() == {"relu": True, "output": False}


def test_the_script_prints_and_draws(
    analysis: dict[str, Any], sweep: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    analysis["main"](str(sweep), "data.shuffled_labels", str(tmp_path / "analysis.png"))

    assert "p_value" in capsys.readouterr().out and (tmp_path / "analysis.png").stat().st_size > 5_000


def test_the_pages_show_parts_that_the_files_have() -> None:
    for page in ("analysis", "own-script"):
        shown = re.findall(r'^--8<-- "([\w/.]+):(\w+)"$', (_ROOT / "docs" / f"{page}.md").read_text(), re.M)
        assert shown
        for file, part in shown:
            assert f"--8<-- [start:{part}]" in (_ROOT / file).read_text(), "a part that is missing is shown as nothing"
