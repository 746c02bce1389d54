"""Programs in sealed memory files (memfd_create(2), F_ADD_SEALS in fcntl(2))."""

import fcntl
import os
from pathlib import Path
from typing import Final

_F_ADD_SEALS: Final = 1033
_SEAL_SEAL: Final = 1
_SEAL_SHRINK: Final = 2
_SEAL_GROW: Final = 4
_SEAL_WRITE: Final = 8


def sealed_copy(program: Path) -> int:
    """An unchangeable copy of ``program``, run as ``/proc/<pid>/fd/<n>``; the descriptor is the caller's to close."""
    descriptor = os.memfd_create(program.name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        with open(program, "rb") as source:
            while os.sendfile(descriptor, source.fileno(), None, 1 << 24):
                pass
        fcntl.fcntl(descriptor, _F_ADD_SEALS, _SEAL_SEAL | _SEAL_SHRINK | _SEAL_GROW | _SEAL_WRITE)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor
