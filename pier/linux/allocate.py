"""Where a file's room is, and that it has some before it needs it."""

import array
import ctypes
import fcntl
import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from pier.linux.libc import check, libc

_KEEP_SIZE: Final = 1
_GET_FLAGS: Final = 0x80086601
_SET_FLAGS: Final = 0x40086602
_TOP_OF_HIERARCHIES: Final = 0x00020000
"""FS_TOPDIR_FL, ``chattr +T``."""


def allocate(descriptor: int, size: int) -> None:
    """fallocate(2): let the file have room for its first ``size`` bytes, with its length as it is.

    Raises OSError: ENOSPC, EOPNOTSUPP for file systems that cannot.
    """
    check(libc.fallocate(descriptor, _KEEP_SIZE, ctypes.c_int64(0), ctypes.c_int64(size)))


def spread_children(folder: Path) -> None:
    """Let the file system put each folder made in ``folder``, with all below it, at a place of its own (chattr(1), T).

    On ext4 that is another block group for each; file systems that know nothing of it do as they always do.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with suppress(OSError):
            flags = array.array("l", [0])
            fcntl.ioctl(descriptor, _GET_FLAGS, flags)
            flags[0] |= _TOP_OF_HIERARCHIES
            fcntl.ioctl(descriptor, _SET_FLAGS, flags)
    finally:
        os.close(descriptor)
