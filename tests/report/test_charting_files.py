"""The JavaScript that is not ours: as it was fetched, with its licences, and harmless within a page."""

import hashlib
from importlib.resources import files

import pytest

from pdtrain.report.page import SCRIPTS

_FOLDER = files("pdtrain.report").joinpath("charting")
_SUMS = dict(reversed(line.split()) for line in _FOLDER.joinpath("SHA256SUMS").read_text().splitlines())


@pytest.mark.parametrize("name", sorted(_SUMS))
def test_nothing_was_changed_by_hand(name: str) -> None:
    assert hashlib.sha256(_FOLDER.joinpath(name).read_bytes()).hexdigest() == _SUMS[name]


def test_every_file_has_its_sum_and_every_library_its_licence() -> None:
    names = {path.name for path in _FOLDER.iterdir()} - {"SHA256SUMS"}
    assert names == set(_SUMS)
    assert {"d3.LICENSE", "plot.LICENSE"} < names


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_ends_where_it_ends(script: str) -> None:
    text = files("pdtrain.report").joinpath(script).read_text()
    assert "</script" not in text.lower() and "<!--" not in text and len(text) < 300_000
