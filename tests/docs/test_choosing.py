"""What the page of choices rests on stands in the tables that it links, and its Python says what it shows."""

import doctest
import re
from pathlib import Path

_DOCUMENTS = Path(__file__).parents[2] / "docs"
_PAGE = (_DOCUMENTS / "choosing.md").read_text()
_TABLES = [(_DOCUMENTS / name).read_text().splitlines() for name in (
    "manifolds.md", "information.md", "conditional_information.md", "coverage.md",
)]  # fmt: skip
_NUMBER = re.compile(r"\d\.\d")  # of a line of results


def test_lines_of_tables_are_those_of_the_pages_that_are_linked() -> None:
    shown = [line for line in _PAGE.splitlines() if line.startswith("|") and _NUMBER.search(line)]

    assert len(shown) > 20
    assert [line for line in shown if not any(line in table for table in _TABLES)] == []


def test_its_python_says_what_it_shows() -> None:
    parsed = doctest.DocTestParser().get_doctest(_PAGE, {}, "choosing.md", None, 0)

    assert len(parsed.examples) == 2
    assert doctest.DocTestRunner().run(parsed).failed == 0
