"""Files of the repository that documents name are there, and so are the tests that they choose."""

import re
import tomllib
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]
_PAGES = sorted(path.relative_to(_ROOT).as_posix() for path in (_ROOT / "docs").rglob("*.md"))
_DOCUMENTS = ["README.md", "CONTRIBUTING.md", *_PAGES]
_FOLDERS = "tests|scripts|conf|pdtrain|callbacks|examples|docs|requirements"
_FILE = re.compile(rf"(?<![\w/.~-])((?:{_FOLDERS})/[\w/.-]*\w)(?![\w*])")
_CHOSEN = re.compile(r'pytest (?:[^`|]*? )?-k (?:"([^"]+)"|([\w]+))')


@pytest.mark.parametrize("document", _DOCUMENTS)
def test_files_that_are_named_are_there(document: str) -> None:
    text = (_ROOT / document).read_text()
    named = set(_FILE.findall(text))

    assert {name for name in named if not (_ROOT / name).exists()} == set()


@pytest.mark.parametrize("document", _DOCUMENTS)
def test_tests_that_are_chosen_by_a_word_are_there(document: str) -> None:
    tests = "".join(path.read_text() for path in (_ROOT / "tests").rglob("test_*.py"))
    chosen = {quoted or word for quoted, word in _CHOSEN.findall((_ROOT / document).read_text())}
    words = {word for text in chosen for word in re.findall(r"\w+", text)} - {"and", "or", "not"}

    assert {word for word in words if word not in tests} == set()


@pytest.mark.parametrize("document", [*_DOCUMENTS, "CHANGELOG.md"])
def test_no_marks_of_a_merge_are_left(document: str) -> None:
    lines = (_ROOT / document).read_text().splitlines()

    assert [line for line in lines if re.match(r"(<{7}|={7}|>{7})( |$)", line)] == []


def test_versions_are_one() -> None:
    project = tomllib.loads((_ROOT / "pyproject.toml").read_text())["project"]
    cited = re.search(r"^version: (\S+)$", (_ROOT / "CITATION.cff").read_text(), re.M)

    assert cited is not None and cited[1] == project["version"]
    assert re.search(rf"^## {re.escape(project['version'])}\b", (_ROOT / "CHANGELOG.md").read_text(), re.M)
