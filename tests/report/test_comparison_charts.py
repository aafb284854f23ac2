import numpy as np
import pandas as pd
import pytest

from pdtrain.report.comparison_charts import dynamics_chart, profiles_chart
from pdtrain.results.measures import DIMENSION, EXPANSION, Measure


def _line(setting: str, layer: str, index: int, depth: float, mean: float, measure: Measure = DIMENSION) -> dict:
    return {
        "setting": setting, "layer": layer, "layer_index": index, "depth": depth, "probe": measure.probe,
        "quantity": measure.quantity, "property": "", "mean": mean, "lower": mean - 1, "upper": mean + 1, "n": 3,
        "runs": 3, "note": "",
    }  # fmt: skip


def test_settings_of_the_same_layers_stand_layer_by_layer() -> None:
    table = pd.DataFrame(
        [_line(setting, f"relu{i}", i, i / 2, 10.0 * i + place) for place, setting in enumerate("ab") for i in range(3)]
    )
    different = table[table.setting == "a"].assign(differs=[False, True, False])

    (view,) = profiles_chart(table, [DIMENSION], different).views

    assert view.table.lines.items == ["a (n\u00a0=\u00a03)", "b (n\u00a0=\u00a03)"]
    assert view.along.items == ["relu0", "relu1", "relu2"] and view.stars == [1]
    assert view.table.values.tolist() == [[0, 10, 20], [1, 11, 21]]
    assert view.table.lower is not None and view.table.lower[1].tolist() == [0, 10, 20]


def test_networks_with_other_layers_lose_no_value_where_two_have_one_depth() -> None:
    table = pd.DataFrame(
        [
            _line("a", "conv", 0, 0.0, 1), _line("a", "relu", 1, 0.5, 2), _line("a", "pool", 2, 0.5, 3),
            _line("b", "first", 0, 0.0, 4), _line("b", "second", 1, 0.25, 5), _line("b", "third", 2, 0.5, 6),
        ]
    )  # fmt: skip

    (view,) = profiles_chart(table, [DIMENSION]).views

    assert list(view.along.places) == pytest.approx([0, 0.25, 0.5, 0.5]) and not view.gaps
    expected = [[1, np.nan, 2, 3], [4, 5, 6, np.nan]]
    np.testing.assert_array_equal(view.table.values, expected)


def test_indices_over_epochs_have_a_line_for_each_setting() -> None:
    table = pd.DataFrame(
        [
            _line(setting, "", -1, np.nan, epoch + place, EXPANSION) | {"epoch": epoch}
            for place, setting in enumerate("ab")
            for epoch in (0, 1, 4)
        ]
    )

    (view,) = dynamics_chart(table).views

    assert list(view.along.places) == [0, 1, 4] and view.table.values.tolist() == [[0, 1, 4], [1, 2, 5]]
