"""The lock of tested versions lies within the ranges of pyproject.toml, and holds all that the tests need."""

import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import lock_versions

_ROOT = Path(__file__).parents[2]
_PROJECT = tomllib.loads((_ROOT / "pyproject.toml").read_text())["project"]
_WANTED = [Requirement(text) for text in (*_PROJECT["dependencies"], *_PROJECT["optional-dependencies"]["test"])]


def _locked() -> dict[str, str]:
    lines = [line for line in lock_versions.LOCK.read_text().splitlines() if not line.startswith("#")]
    return dict(line.split("==") for line in lines)


@pytest.mark.parametrize("wanted", _WANTED, ids=str)
def test_every_package_is_locked_within_its_range(wanted: Requirement) -> None:
    version = _locked().get(canonicalize_name(wanted.name))

    assert version is not None, "run scripts/lock_versions.py"
    assert wanted.specifier.contains(version, prereleases=True)


def test_what_packages_need_in_turn_is_locked_and_no_more() -> None:
    assert set(_locked()) == set(lock_versions.locked()), "run scripts/lock_versions.py"


def test_every_python_that_is_named_is_within_what_is_required() -> None:
    named = [found[1] for text in _PROJECT["classifiers"] if (found := re.search(r":: (3\.\d+)$", text))]

    assert named
    assert all(Requirement(f"python{_PROJECT['requires-python']}").specifier.contains(one) for one in named)


def test_a_version_that_is_gone_ends_with_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "scripts").mkdir()
    (tmp_path / "requirements").mkdir()
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    python = tmp_path / ".venv" / "bin" / "python"
    python.write_text("#!/bin/sh\necho ERROR: No matching distribution found for torch==0.0.1 >&2; exit 1\n")
    python.chmod(0o755)
    for name in ("scripts/environment.sh", "pyproject.toml", "requirements/tested.txt"):
        (tmp_path / name).write_bytes((_ROOT / name).read_bytes())
    command = ["bash", "-c", 'source scripts/environment.sh "[test]"; echo went on']
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PDTRAIN_")}

    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)

    assert done.returncode == 1 and "went on" not in done.stdout
    assert "No matching distribution" in done.stderr and "PDTRAIN_VERSIONS=newest" in done.stderr
    assert not list((tmp_path / ".venv").glob(".installed*"))
