import os
import platform
import subprocess
import sys

import pytest

from pdtrain.training.freed_memory import keep_freed_memory

_GLIBC = platform.libc_ver()[0] == "glibc"
# how many pages are cleared when 16 MiB are asked for and freed, again and again
_FAULTS = """
import resource, torch
from pdtrain.training.freed_memory import keep_freed_memory
print(keep_freed_memory())
def once():
    torch.ones(2**22)
for _ in range(100):  # the C library first keeps some that are too small by a few bytes
    once()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    once()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def _pages_cleared(**environment: str) -> tuple[str, int]:
    own = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_"))}
    command = [sys.executable, "-c", _FAULTS]
    output = subprocess.run(command, env=own | environment, stdout=subprocess.PIPE, text=True, check=True).stdout
    kept, pages = output.split()
    return kept, int(pages)


@pytest.mark.skipif(not _GLIBC, reason="another C library")
def test_no_page_is_cleared_twice_unless_the_environment_has_chosen() -> None:
    kept, pages = _pages_cleared()
    assert kept == "True" and pages < 100

    for chosen in ({"MALLOC_TRIM_THRESHOLD_": "131072"}, {"GLIBC_TUNABLES": "glibc.malloc.trim_threshold=131072"}):
        kept, pages = _pages_cleared(**chosen)
        assert kept == "False" and pages > 5 * 4000


def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "confstr_names", {})

    assert not keep_freed_memory()
