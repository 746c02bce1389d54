"""The file system, with its errors as kinds."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from pier.errors import Unavailable
from pier.linux.files import disk_errors

_KEPT_FREE: Final = 32 << 20
_PART_OF_A_SMALL_DISK: Final = 8


@contextmanager
def as_kinds() -> Iterator[None]:
    """NoSpace for a full disk or quota, Unavailable for whatever else the system says."""
    try:
        with disk_errors():
            yield
    except OSError as error:
        raise Unavailable(f"the storage does not work: {error.strerror or error}") from error


def check_room(descriptor: int, size: int) -> None:
    """Raises OSError where ``size`` bytes more would leave less than is kept free.

    The database often lies on the same disk, and without room for it nothing could be deleted.
    """
    status = os.fstatvfs(descriptor)
    kept = min(_KEPT_FREE, status.f_blocks * status.f_frsize // _PART_OF_A_SMALL_DISK)
    if status.f_blocks and status.f_bavail * status.f_frsize < size + kept:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def sync_folder(path: Path) -> None:
    """Make the names in it durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
