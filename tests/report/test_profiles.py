import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure

from pdtrain.report.profiles import profile
from pdtrain.report.texts import HOW_TO_READ
from pdtrain.results.measures import DIMENSION

_BOUND = "2 duplicate or tied points dropped; lower bound: 300 points are too few for more than 16 dimensions"
_LABEL = "lower bound (too few stimuli)"


def _rows(notes: list[list[str | None]]) -> pd.DataFrame:
    """Dimensions of three layers at each epoch, with these notes."""
    return pd.DataFrame(
        [
            {
                "epoch": epoch, "step": epoch, "weights": "trained" if epoch else "untrained",
                "layer": f"relu{i}", "layer_index": i, "depth": i / 2,
                "probe": "intrinsic_dimension", "quantity": "two_nn", "property": "",
                "value": 10.0 * epoch + i, "lower": 9.0 * epoch, "upper": 11.0 * epoch + 2, "note": note,
            }
            for epoch, of_epoch in enumerate(notes)
            for i, note in enumerate(of_epoch)
        ]
    )  # fmt: skip


def _marked(figure: Figure) -> list[list[float]]:
    """Places of the marks of lower bounds; the legend names them if there are any."""
    (axes,) = figure.axes
    marks = [c for c in axes.collections if isinstance(c, PathCollection) and c.get_label() == _LABEL]
    assert [text.get_text() for text in axes.get_legend().get_texts()].count(_LABEL) == len(marks) <= 1
    plt.close(figure)
    return sorted(np.asarray(marks[0].get_offsets()).tolist()) if marks else []


def test_lower_bounds_are_marked_and_named_once() -> None:
    rows = _rows([["", "", None], ["", _BOUND, _BOUND], [_BOUND, "", ""]])

    assert _marked(profile(rows, [DIMENSION])) == [[0, 20], [1, 11], [2, 12]]


@pytest.mark.parametrize("note", ["", None, "3 duplicate or tied points dropped"])
def test_without_lower_bounds_nothing_is_marked(note: str | None) -> None:
    rows = _rows([[note] * 3] * 2)

    assert _marked(profile(rows, [DIMENSION])) == []


def test_how_to_read_explains_the_mark() -> None:
    assert "Open triangles are lower bounds" in HOW_TO_READ["dimension"]
