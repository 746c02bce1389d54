"""The file system, with its errors as kinds."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pier.errors import Unavailable
from pier.linux.files import disk_errors


@contextmanager
def as_kinds() -> Iterator[None]:
    """NoSpace for a full disk or quota, Unavailable for whatever else the system says."""
    try:
        with disk_errors():
            yield
    except OSError as error:
        raise Unavailable(f"the storage does not work: {error.strerror or error}") from error


def sync_folder(path: Path) -> None:
    """Make the names in it durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
