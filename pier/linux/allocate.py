"""Room for a file before it needs it."""

import ctypes

from pier.linux.libc import check, libc

_KEEP_SIZE = 1


def allocate(descriptor: int, size: int) -> None:
    """fallocate(2): let the file have room for its first ``size`` bytes, with its length as it is.

    Raises OSError: ENOSPC, EOPNOTSUPP for file systems that cannot.
    """
    check(libc.fallocate(descriptor, _KEEP_SIZE, ctypes.c_int64(0), ctypes.c_int64(size)))
