"""Write `requirements/tested.txt`: what the extra `test` needs, all of it, in the versions that are installed here.

.venv/bin/python scripts/lock_versions.py

Run it in the environment in which the whole suite has just passed.
"""

import re
from importlib.metadata import requires, version
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

LOCK = Path(__file__).parents[1] / "requirements" / "tested.txt"
_HEAD = """\
# The versions that the whole suite has passed with: all that the extra `test` needs. scripts/environment.sh installs
# these; PDTRAIN_VERSIONS=newest takes the newest within the ranges of pyproject.toml instead.
# Written by: .venv/bin/python scripts/lock_versions.py
"""
# libraries of a GPU's maker: each build of torch names its own, on the platforms that have them
_OF_TORCH = re.compile(r"nvidia-|cuda-|triton$")


def locked(project: str = "pdtrain", extra: str = "test") -> dict[str, str]:
    """Version of each package that `project[extra]` needs, directly or not, by its canonical name."""
    found: dict[str, str] = {}
    seen: set[tuple[str, str]] = set()
    waiting = [Requirement(f"{project}[{extra}]")]
    while waiting:
        needed = waiting.pop()
        name = canonicalize_name(needed.name)
        if _OF_TORCH.match(name):
            continue
        found[name] = version(name).partition("+")[0]  # the version, whatever the build
        new = {(name, wanted) for wanted in {"", *needed.extras}} - seen
        seen |= new
        waiting += [of for _, wanted in new for of in _requirements(name, wanted)]
    del found[project]
    return dict(sorted(found.items()))


def _requirements(name: str, extra: str) -> list[Requirement]:
    """What a package needs here, for one of its extras ("" is none)."""
    all_of_it = map(Requirement, requires(name) or [])
    return [needed for needed in all_of_it if needed.marker is None or needed.marker.evaluate({"extra": extra})]


if __name__ == "__main__":
    versions = locked()
    LOCK.write_text(_HEAD + "".join(f"{name}=={number}\n" for name, number in versions.items()))
    print(f"{LOCK}: {len(versions)} packages")
