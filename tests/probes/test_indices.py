import math
from dataclasses import replace

import numpy as np
import pytest

from pdtrain.estimators.halvings import SPLITS
from pdtrain.probes.indices import indices, pruned_fraction
from pdtrain.results.rows import Row, UnitRow

_OF_UNIT = ("unit_information", "information", "luminance")


_DIMENSION = ("intrinsic_dimension", "two_nn", "")
_INFORMATION = ("unit_information", "mean", "luminance")


def _profile(of: tuple[str, str, str], values: list[float], *, error: float = 0.01, seed: int = 0) -> list[Row]:
    """Rows along depth, the output at depth 1 after them, with half differences of a standard error."""
    drawn = np.random.default_rng(seed).standard_normal((len(values), SPLITS)) * error
    places = enumerate(zip(values, drawn, strict=True))
    return [
        Row(f"layer{i}", i, i / (len(values) - 1), *of, value, half_differences=tuple(halves.tolist()))
        for i, (value, halves) in places
    ]


def test_indices_follow_their_definitions() -> None:
    trained = _profile(_DIMENSION, [10, 30, 6, 4])
    trained += _profile(_INFORMATION, [0.2, 0.4, 0.1, 0.3])
    untrained = _profile(_INFORMATION, [0.2, 0.3, 0.5, 0.3])

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
    assert 0 < row.units_lower < 0.5 < row.units_upper < 1


def test_indices_without_the_output_layer_end_at_the_same_hidden_layer() -> None:
    rows = _profile(_INFORMATION, [0.2, 0.4, 0.1, 0.3])

    whole, hidden = ({row.quantity: row.value for row in indices(part, part)} for part in (rows, rows[:-1]))

    assert whole == hidden


def test_expansion_is_not_given_without_the_input() -> None:
    rows = _profile(_DIMENSION, [10, 30, 6, 4])

    assert indices(rows[1:], rows[1:]) == []


def test_a_layer_without_a_number_is_passed_over_and_an_end_without_one_gives_no_index() -> None:
    values = [10.0, float("nan"), 30.0, 6.0, 4.0]
    rows = _profile(_DIMENSION, values)

    found = {row.quantity: row.value for row in indices(rows, rows)}

    assert found["expansion"] == pytest.approx(3)
    assert math.isnan(found["contraction"]) is False
    (expansion, *_) = indices([replace(rows[0], value=math.nan, note="constant layer"), *rows[1:]], rows)
    assert math.isnan(expansion.value) and expansion.note == "layer0: constant layer"


def test_division_by_zero_is_said() -> None:
    rows = _profile(_INFORMATION, [0.0, 0.0, 0.0, 0.0])

    found = indices(rows, rows)

    assert all(row.value != row.value and row.note for row in found)


def test_units_that_another_estimator_measured_before_are_not_compared() -> None:
    before, after = (
        [UnitRow("a", i, *_OF_UNIT, 0.1, informative=informative, estimator=estimator) for i in range(4)]
        for informative, estimator in ((True, "unit_information 1"), (False, "unit_information 2"))
    )

    assert pruned_fraction(after, before, ["a"]) == []
    alike = [unit._replace(estimator="unit_information 2") for unit in before]
    assert pruned_fraction(after, alike, ["a"])[0].value == 1


def test_the_peak_is_sought_anew_in_each_replicate() -> None:
    clear, tied = ({row.quantity: row for row in indices(rows, rows)} for rows in (
        _profile(_DIMENSION, [10.0, 30.0, 20.0, 6.0, 4.0], error=0.1),
        _profile(_DIMENSION, [10.0, 30.0, 29.9, 6.0, 4.0], error=1.0),
    ))  # fmt: skip

    assert clear["peak_depth"].note == "peak in replicates: layer1 100%"
    assert clear["peak_depth"].lower == clear["peak_depth"].upper == 0.25
    assert "layer1 5" in tied["peak_depth"].note and "layer2 4" in tied["peak_depth"].note
    assert (tied["peak_depth"].lower, tied["peak_depth"].upper) == (0.25, 0.5)


def test_where_the_input_is_the_peak_expansion_is_uncertain_upwards() -> None:
    found = {row.quantity: row for row in indices(*[_profile(_DIMENSION, [30.0, 29.5, 20.0, 6.0, 4.0], error=1.0)] * 2)}

    assert found["expansion"].value == 1 and found["expansion"].upper > 1.01


def test_an_index_divided_by_what_may_be_zero_is_not_given() -> None:
    rows = _profile(_INFORMATION, [0.010, 0.012, 0.002, 0.002], error=0.02)

    found = {row.quantity: row for row in indices(rows, rows)}

    for name in ("distillation", "active_pruning"):
        assert math.isnan(found[name].value) and "within two standard errors of zero" in found[name].note


def test_untrained_and_trained_are_paired_on_the_same_stimuli() -> None:
    values = [0.2, 0.3, 0.2, 0.3]
    rows, others = (
        _profile(_INFORMATION, values, error=0.05, seed=1),
        _profile(_INFORMATION, values, error=0.05, seed=2),
    )

    paired, apart = (
        next(row for row in indices(rows, untrained) if row.quantity == "active_pruning")
        for untrained in (rows, others)
    )

    assert paired.lower == paired.value == paired.upper == 0, "the same network on the same stimuli"
    assert apart.lower < -0.2 and apart.upper > 0.2


def test_rows_without_half_differences_give_no_interval_rather_than_certainty() -> None:
    rows = [replace(row, half_differences=()) for row in _profile(_DIMENSION, [10.0, 30.0, 6.0, 4.0])]

    found = indices(rows, rows)

    assert [row.value for row in found][:2] == [3.0, 0.2]
    assert all(math.isnan(row.lower) and math.isnan(row.upper) for row in found)


@pytest.mark.parametrize("of_which", ["trained", "untrained"])
def test_a_dead_last_layer_has_no_index_of_information(of_which: str) -> None:
    rows = _profile(_INFORMATION, [0.2, 0.3, 0.2, 0.3], error=0.001)
    dead = [*rows, Row("layer2", 2, 2 / 3, "activity", "silent_fraction", "", 0.95, n=256)]

    found = {row.quantity: row for row in indices(*((dead, rows) if of_which == "trained" else (rows, dead)))}

    pruning = found["active_pruning"]
    assert math.isnan(pruning.value) and "layer2: 95% of its units are silent" in pruning.note
    assert math.isnan(found["distillation"].value) == (of_which == "trained")


def test_a_layer_of_few_varying_features_has_no_index_of_dimension() -> None:
    rows = _profile(_DIMENSION, [10.0, 30.0, 6.0, 4.0])
    flat = Row("layer2", 2, 2 / 3, "activity", "silent_fraction", "", 0.97, n=256)

    found = {row.quantity: row for row in indices([*rows, flat], rows)}

    assert "layer2: 8 of its sampled features vary, fewer than 10" in found["contraction"].note
    assert math.isnan(found["contraction"].value) and found["expansion"].value == 3


def test_every_property_has_its_indices_that_of_choice_first_then_those_in_the_field_and_one_for_all_low_ones() -> None:
    names = ["contrast", "luminance", "identity", "luminance@receptive_field", "edge_energy@receptive_field"]
    rows = [row for name in names for row in _profile(("unit_information", "mean", name), [0.2, 0.4, 0.1, 0.3])]
    rows += [
        row
        for name, values in (("contrast", [0.1, 0.2, 0.1, 0.1]), ("luminance", [0.3, 0.4, 0.2, 0.1]))
        for row in _profile(("unit_information", "normalized_mean", name), values)
    ]

    found = indices(rows, rows, property="luminance")

    about = [row.property for row in found if row.quantity == "distillation"]
    in_field = ["luminance@receptive_field", "edge_energy@receptive_field"]
    assert about == ["luminance", *in_field, "contrast", "low_level"]
    together = next(row for row in found if (row.quantity, row.property) == ("distillation", "low_level"))
    assert together.value == pytest.approx(1 - (0.1 + 0.2) / (0.2 + 0.4))


def test_of_a_property_within_the_field_the_input_has_no_part() -> None:
    rows = _profile(("unit_information", "mean", "luminance@receptive_field"), [3.0, 0.4, 0.1, 0.3])

    found = {row.quantity: row for row in indices(rows, rows)}

    assert found["distillation"].value == pytest.approx(1 - 0.1 / 0.4)
