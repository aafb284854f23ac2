from dataclasses import asdict, replace

import numpy as np
import pandas as pd
import pytest

from pdtrain.estimators.halvings import SPLITS
from pdtrain.results.differences import differences
from pdtrain.results.measures import DIMENSION, INFORMATION, UNIT
from pdtrain.results.rows import Row, UnitRow

_LAYERS = 6


def _rows(
    values: list[float], *, error: float = 0.1, seed: int = 0, stimuli: str = "ab", made_by: str = "one"
) -> list[Row]:
    drawn = np.random.default_rng(seed).standard_normal((_LAYERS, SPLITS))
    drawn *= error / np.sqrt(np.square(drawn).mean(1, keepdims=True))
    return [
        Row(
            f"layer{i}", i, i / _LAYERS, INFORMATION.probe, INFORMATION.quantity, "luminance", value,
            half_differences=tuple(drawn[i].tolist()), stimuli=stimuli, estimator=made_by,
        )
        for i, value in enumerate(values)
    ]  # fmt: skip


def _frame(rows: list[Row] | list[UnitRow]) -> pd.DataFrame:
    return pd.DataFrame([asdict(row) if isinstance(row, Row) else row._asdict() for row in rows])


def _units(values: np.ndarray) -> pd.DataFrame:
    return _frame(
        [
            UnitRow(f"layer{i}", unit, UNIT.probe, UNIT.quantity, "luminance", float(value), estimator="one")
            for i in range(_LAYERS)
            for unit, value in enumerate(values)
        ]
    )


def test_the_error_of_a_difference_is_that_of_paired_half_differences() -> None:
    before, after = _rows([1.0] * _LAYERS, seed=0), _rows([1.5] * _LAYERS, seed=0)
    apart = _rows([1.5] * _LAYERS, seed=1)
    moved = [replace(row, half_differences=tuple(2 * half for half in row.half_differences)) for row in after]

    paired, unpaired = (
        differences(_frame(before), _frame(rows), [INFORMATION]).standard_error for rows in (moved, apart)
    )

    assert paired.tolist() == pytest.approx([0.1] * _LAYERS)  # 0.2 less 0.1 of the same stimuli
    assert unpaired.mean() == pytest.approx(0.1 * 2**0.5, rel=0.2)


def test_the_spread_of_the_same_units_differences_is_added() -> None:
    before, after = _rows([1.0] * _LAYERS, seed=0), _rows([1.5] * _LAYERS, seed=1)
    units = np.random.default_rng(0).standard_normal(50)
    shift = np.random.default_rng(1).standard_normal(50)

    alone = differences(_frame(before), _frame(after), [INFORMATION]).standard_error
    same = differences(_frame(before), _frame(after), [INFORMATION], (_units(units), _units(units + 0.5)))
    scattered = differences(_frame(before), _frame(after), [INFORMATION], (_units(units), _units(units + shift)))

    assert same.standard_error.tolist() == pytest.approx(alone.tolist()), "all units moved alike"
    added = np.sqrt(np.square(alone) + shift.var(ddof=1) / 50)
    assert scattered.standard_error.tolist() == pytest.approx(added.tolist())


def test_of_layers_that_do_not_differ_one_is_marked_in_at_most_5_of_100_networks() -> None:
    marked = 0
    for seed in range(400):
        generator = np.random.default_rng(seed)
        halves = generator.standard_normal((2, _LAYERS, SPLITS))
        values = generator.standard_normal((2, _LAYERS))
        ends = [
            _frame(
                [
                    replace(row, value=float(values[end, i]), half_differences=tuple(halves[end, i].tolist()))
                    for i, row in enumerate(_rows([0.0] * _LAYERS))
                ]
            )
            for end in (0, 1)
        ]
        marked += bool(differences(*ends, [INFORMATION]).differs.any())

    assert marked / 400 < 0.05 + 3 * (0.05 * 0.95 / 400) ** 0.5


def test_a_clear_difference_is_marked_and_only_that() -> None:
    before = _frame(_rows([1.0] * _LAYERS, error=0.01))
    after = _frame(_rows([1.0] * (_LAYERS - 1) + [0.5], error=0.01, seed=1))

    found = differences(before, after, [DIMENSION, INFORMATION])

    assert found.differs.tolist() == [False] * (_LAYERS - 1) + [True]
    assert found.difference.iloc[-1] == -0.5 and found.upper.iloc[-1] < 0


@pytest.mark.parametrize("other", [{"stimuli": "cd"}, {"made_by": "another"}, {"stimuli": ""}])
def test_other_stimuli_or_estimators_are_not_compared(other: dict[str, str]) -> None:
    assert differences(_frame(_rows([1.0] * _LAYERS)), _frame(_rows([2.0] * _LAYERS, **other)), [INFORMATION]).empty


def test_rows_of_before_there_were_half_differences_are_not_compared() -> None:
    old = _frame([replace(row, half_differences=()) for row in _rows([1.0] * _LAYERS)])

    assert differences(old, _frame(_rows([2.0] * _LAYERS)), [INFORMATION]).empty
