"""What the terminal says of a run in the end."""

import re
from pathlib import Path

import pytest

from pdtrain.report.console import plain_console
from pdtrain.report.summary import print_summary
from pdtrain.results.rows import ProbePoint, Row
from pdtrain.results.store import ResultsStore


def test_a_summary_has_units_and_the_input_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for epoch in (0, 1):
        rows = [Row("input", 0, 0.0, "intrinsic_dimension", "two_nn", "", 30.2)]
        rows += [Row("relu1", 1, 0.5, "intrinsic_dimension", "two_nn", "", 30.2 + 10 * epoch)]
        rows += [
            Row("relu1", 1, 0.5, "unit_information", "mean", name, 0.012)
            for name in ("luminance", "contrast", "orientation", "identity", "luminance@receptive_field")
        ]
        index = ("", -1, float("nan"), "index")
        rows += [Row(*index, "expansion", "two_nn", 1.5, lower=1.25, upper=1.75)]
        rows += [
            Row(*index, name, "luminance@receptive_field", float("nan"), note="relu1: too few")
            for name in ("distillation", "active_pruning")
        ]
        ResultsStore(tmp_path).write(ProbePoint(epoch, 7 * epoch), rows, [])

    print_summary(tmp_path, plain_console(width=60))

    shown = capsys.readouterr().out
    legend = "untrained → epoch 1: ID (dimensions), unit information (millibit per unit) "
    assert " ".join(shown.split()).startswith(legend)
    assert max(map(len, shown.partition("results:")[0].splitlines()[1:])) <= 60
    assert re.search(r"^ input +30 ", shown, re.M) and re.search(r"^ relu1 +30→40 +12→12 ", shown, re.M)
    units = re.findall(r"^ layer .*", shown, re.M)
    assert len(units) == 2, "six columns of this width are two tables"
    assert "dimensions" in units[0] and [line.count("per unit") for line in units] == [3, 2]
    assert re.search(r"expansion +two nn +1\.50 +1\.25 to 1\.75 +index", shown)
    said = "Not given: distillation and active pruning of luminance in the receptive field (relu1: too few)."
    assert said in " ".join(shown.split())
