"""Memory that is freed stays with the process: large arrays are allocated and freed at every step.

The GNU C library may give such arrays back to the system at once, which then hands them out again page by page, zeroed:
at batch 512 of `cat-mel_2bar_small` 300,000 pages a step, a twentieth of the time.
"""

from __future__ import annotations

import ctypes
import platform

M_TRIM_THRESHOLD, M_MMAP_MAX = (
    -1,
    -4,
)  # of <malloc.h>: how much may be free, how many arrays may be mapped by themselves
MOST = 2**31 - 1  # bytes: the largest that it takes


def keep_freed_memory() -> bool:
    """For the rest of this process; False, and nothing done, where the C library is another."""
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    return all(mallopt(option, value) for option, value in ((M_MMAP_MAX, 0), (M_TRIM_THRESHOLD, MOST)))
