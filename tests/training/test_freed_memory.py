import os
import platform
import subprocess
import sys

import pytest

from pdtrain.training.freed_memory import keep_freed_memory

_GLIBC = platform.libc_ver()[0] == "glibc"
# how many pages are cleared when 64 MiB are asked for and freed, again and again; and 16
_FAULTS = """
import resource, torch
from pdtrain.training.freed_memory import keep_freed_memory
print(keep_freed_memory())
for mib in (64, 16):
    for _ in range(20):  # the C library first keeps some that are too small by a few bytes
        torch.empty(mib * 2**18).zero_()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(5):
        torch.empty(mib * 2**18).zero_()
    print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
_PAGES = 5 * 16000  # in five times 64 MiB, more or less


def _pages_cleared(**environment: str) -> tuple[str, int, int]:
    own = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_"))}
    command = [sys.executable, "-c", _FAULTS]
    output = subprocess.run(command, env=own | environment, stdout=subprocess.PIPE, text=True, check=True).stdout
    kept, of_large, of_smaller = output.split()
    return kept, int(of_large), int(of_smaller)


@pytest.mark.skipif(not _GLIBC, reason="another C library")
def test_no_page_is_cleared_twice_unless_the_environment_has_chosen() -> None:
    kept, of_large, _ = _pages_cleared()
    assert kept == "True" and of_large < 100

    kept, of_large, of_smaller = _pages_cleared(GLIBC_TUNABLES="glibc.malloc.perturb=0")
    assert kept == "False" and of_large > _PAGES and of_smaller < 100  # as the C library does unasked

    kept, _, of_smaller = _pages_cleared(MALLOC_TRIM_THRESHOLD_="131072")
    assert kept == "False" and of_smaller > _PAGES / 4


def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "confstr_names", {})

    assert not keep_freed_memory()
