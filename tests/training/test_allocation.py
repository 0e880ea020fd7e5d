import platform
import subprocess
import sys

import pytest

from musevae.training.allocation import keep_freed_memory

PAGES = """
import resource, sys
import numpy as np
from musevae.training.allocation import keep_freed_memory
if sys.argv[1:]:
    assert keep_freed_memory()
def work():
    for _ in range(10):
        del [np.ones(3_000_000) for _ in "ab"][:]
work()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
work()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def pages(*arguments: str) -> int:
    """How many pages the system had to hand out for arrays of 24 MB, allocated and freed again and again."""
    command = [sys.executable, "-c", PAGES, *arguments]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not GNU's")
def test_large_arrays_are_not_handed_out_page_by_page_again() -> None:
    assert pages("keep") < 1000 < pages()


def test_other_libraries_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    assert not keep_freed_memory()
