from dataclasses import replace

import pytest

from pdtrain.probes.indices import indices, pruned_fraction
from pdtrain.results.rows import Row, UnitRow

_OF_UNIT = ("unit_information", "information", "luminance")


def _profile(probe: str, quantity: str, property: str, values: list[float]) -> list[Row]:
    return [Row(f"layer{i}", i, i / 3, probe, quantity, property, v, 0.01) for i, v in enumerate(values)]


def test_indices_follow_their_definitions() -> None:
    trained = _profile("intrinsic_dimension", "two_nn", "", [10, 30, 6, 4])
    trained += _profile("unit_information", "mean", "luminance", [0.2, 0.4, 0.1, 0.3])
    untrained = _profile("unit_information", "mean", "luminance", [0.2, 0.3, 0.5, 0.3])

    found = {row.quantity: row for row in indices(trained, untrained)}

    assert found["expansion"].value == pytest.approx(3)
    assert found["contraction"].value == pytest.approx(6 / 30)
    assert found["peak_depth"].value == pytest.approx(1 / 3)
    assert found["distillation"].value == pytest.approx(1 - 0.1 / 0.4)
    assert found["active_pruning"].value == pytest.approx(1 - 0.1 / 0.5)
    assert all(row.lower < row.value < row.upper for name, row in found.items() if name != "peak_depth")


def test_pruned_fraction_counts_units_that_lost_their_information() -> None:
    def units(informative: list[bool]) -> list[UnitRow]:
        return [UnitRow("a", i, *_OF_UNIT, 0.0, informative=flag) for i, flag in enumerate(informative)]

    before, after = units([True, True, True, False]), units([True, False, False, False])

    (row,) = pruned_fraction(after, before, ["a"])
    assert row.value == 0.5
    assert 0 < row.lower < 0.5 < row.upper < 1


def test_indices_without_the_output_layer_end_at_the_same_hidden_layer() -> None:
    rows = _profile("unit_information", "mean", "luminance", [0.2, 0.4, 0.1, 0.3])

    whole, hidden = ({row.quantity: row.value for row in indices(part, part)} for part in (rows, rows[:-1]))

    assert whole == hidden


def test_expansion_is_not_given_without_the_input() -> None:
    rows = _profile("intrinsic_dimension", "two_nn", "", [10, 30, 6, 4])

    assert indices(rows[1:], rows[1:]) == []


def test_a_layer_without_a_number_is_passed_over_and_an_end_without_one_gives_no_index() -> None:
    values = [10.0, float("nan"), 30.0, 6.0, 4.0]
    rows = [Row(f"layer{i}", i, i / 4, "intrinsic_dimension", "two_nn", "", v, 0.01) for i, v in enumerate(values)]

    found = {row.quantity: row.value for row in indices(rows, rows)}

    assert found["expansion"] == pytest.approx(3)
    assert indices([rows[1], *rows[2:]], rows) == []


def test_division_by_zero_is_said() -> None:
    rows = _profile("unit_information", "mean", "luminance", [0.0, 0.0, 0.0, 0.0])

    found = indices(rows, rows)

    assert all(row.value != row.value and row.note for row in found)


def test_units_that_another_estimator_measured_before_are_not_compared() -> None:
    before, after = (
        [UnitRow("a", i, *_OF_UNIT, 0.1, informative=informative, estimator=estimator) for i in range(4)]
        for informative, estimator in ((True, "unit_information 1"), (False, "unit_information 2"))
    )

    assert pruned_fraction(after, before, ["a"]) == []
    alike = [replace(unit, estimator="unit_information 2") for unit in before]
    assert pruned_fraction(after, alike, ["a"])[0].value == 1
