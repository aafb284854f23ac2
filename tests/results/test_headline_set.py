"""What of the catalogue is headline."""

import pandas as pd
import pytest

from pdtrain.results.catalogue import HEADLINE_PROPERTIES, Catalogue
from pdtrain.results.measures import BUILT_IN, INFORMATION, Measure
from pdtrain.results.rows import Row

_PROPERTIES = ("contrast", "orientation", "edge_energy", "luminance", "identity")
_ROWS = [
    *(Row(f"relu{place}", place, place / 4, "intrinsic_dimension", "two_nn", "", 5.0 + place) for place in range(3)),
    Row("relu1", 1, 0.25, "intrinsic_dimension", "mle", "", 4.0),
    *(Row("relu1", 1, 0.25, "unit_information", "mean", about, 0.1) for about in _PROPERTIES),
    Row("relu2", 2, 0.5, "unit_information", "mean", "luminance", float("nan")),
    Row("relu1", 1, 0.25, "unit_information", "median", "luminance", 0.2),
    Row("", -1, 0.5, "index", "distillation", "luminance", 0.75),
    Row("", -1, 0.5, "index", "distillation", "contrast", 0.5),
    Row("", -1, 0.5, "index", "expansion", "two_nn", 2.0),
    Row("relu1", 1, 0.25, "index", "pruned_fraction", "luminance", 0.3),
]


def test_the_headline_set_is_dimension_information_of_few_properties_and_the_indices() -> None:
    found = Catalogue().headline(_ROWS)

    assert found == {
        "id/relu0": 5.0, "id/relu1": 6.0, "id/relu2": 7.0,
        # that of the indices, identity, and the first of the others
        "info_luminance/relu1": 0.1, "info_identity/relu1": 0.1, "info_contrast/relu1": 0.1,
        "index/distillation": 0.75, "index/expansion": 2.0,
    }  # fmt: skip
    assert HEADLINE_PROPERTIES == 3
    assert found.items() <= Catalogue().metrics(_ROWS).items(), "each is a column of metrics.csv"


def test_a_probe_says_what_is_headline_of_it() -> None:
    sparse, rows = Measure(probe="sparse", quantity="mean"), [Row("relu1", 1, 0.5, "sparse", "mean", "", 0.3)]

    assert Catalogue([sparse]).headline(rows) == {}
    declared = Measure(probe="sparse", quantity="mean", headline="sparse/{layer}")
    assert Catalogue([declared, *BUILT_IN]).headline(rows) == {"sparse/relu1": 0.3}
    assert declared.of("median").headline == "", "what stands beside it is not"


def test_headline_keys_have_one_section() -> None:
    """W&B groups by what stands before the last slash unless it is told to take the first."""
    with pytest.raises(ValueError, match=r"headline=info/\{property\}/\{layer\}: give at most one /"):
        Measure(probe="p", quantity="q", headline="info/{property}/{layer}")


def test_profiles_along_depth_hold_what_has_a_value() -> None:
    frame = pd.DataFrame([vars(row) for row in _ROWS])

    profiles = Catalogue().headline_profiles(frame)

    assert list(profiles) == ["id", "info_luminance", "info_identity", "info_contrast"]
    measure, about, rows = profiles["info_luminance"]
    assert (measure, about, rows.layer.tolist()) == (INFORMATION, "luminance", ["relu1"])


def test_patterns_cover_all_keys() -> None:
    assert Catalogue().patterns()[:3] == ["id/*", "info/*", "info_*"]
    assert {"index/*", "sparse/*"} <= {*Catalogue([*BUILT_IN, Measure(probe="sparse", quantity="mean")]).patterns()}
    assert Catalogue([Measure(probe="p", quantity="q", metric="{layer}/q")]).patterns() == [], "not all there is"
