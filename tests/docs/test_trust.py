"""The page of what goes wrong names tests that are there, and says how often each fault was tried."""

import re
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]
_PAGE = (_ROOT / "docs" / "trust.md").read_text()
_LINES = [line for line in _PAGE.splitlines() if line.startswith("|") and not line.startswith(("| class", "|---"))]
_FILE = re.compile(r"(?:tests|scripts)/[\w/]+\.py")


@pytest.mark.parametrize("line", _LINES)
def test_a_line_says_fault_cases_outcome_and_a_test_that_is_there(line: str) -> None:
    fault, cases, outcome, test = (cell.strip() for cell in line.strip("|").split("|"))

    assert fault and outcome and int(cases) > 0
    files = _FILE.findall(test)
    assert files and all((_ROOT / file).is_file() for file in files)
    text = "".join((_ROOT / file).read_text() for file in files)
    chosen = " ".join(quoted or word for quoted, word in re.findall(r'-k (?:"([^"]*)"|(\w+))', test))
    named = re.findall(r"::(\w+)", test) + re.findall(r"\w+", chosen)
    assert all(word in text for word in named if word not in ("or", "and", "not")), named


def test_no_line_stands_twice() -> None:
    assert len(set(_LINES)) == len(_LINES)
