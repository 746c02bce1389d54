"""The C library, and the one way a failed call becomes an ``OSError``."""

import ctypes
import os
from typing import Final

libc: Final = ctypes.CDLL(None, use_errno=True)


def check(result: int, what: str | os.PathLike[str] | None = None) -> int:
    """Return ``result``; where it is negative raise the ``OSError`` of errno, naming ``what`` (a path)."""
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), None if what is None else os.fspath(what))
    return result
