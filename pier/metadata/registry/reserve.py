"""Room on the disk for what the database writes when somebody else has taken all there was.

SQLite writes to a log beside the database first, and moves what it says into the database once it has 4 MiB. Where the
database cannot grow the log does, so it is given room in advance: for some hundred deletions, which make room
themselves. A clean end removes the log: its room is kept under another name until the next start.
"""

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from pier.linux.allocate import allocate

_LOG: Final = 12 << 20
_PART_OF_A_SMALL_DISK: Final = 8
_STEP: Final = 64 << 10
_BLOCK: Final = 512
_HARDLY_ANYTHING: Final = 1 << 20


class Reserve:
    """For the database ``path``. :meth:`spend` before it is opened, then :meth:`fill`; :meth:`save` before its end."""

    def __init__(self, path: Path) -> None:
        self._log = Path(f"{path}-wal")
        self._saved = Path(f"{path}-reserve")
        self._file = -1
        self._wanted = 0

    def spend(self) -> None:
        """The log and its index are about to be made."""
        with suppress(OSError):
            self._saved.unlink()

    def fill(self) -> None:
        """Let the log have its room, as far as there is any, if it has not: two quick calls of the system."""
        with suppress(OSError):  # a full disk, or a file system that knows no such thing
            if self._file < 0:
                self._open()
            has = os.fstat(self._file).st_blocks * _BLOCK
            if has < self._wanted:
                room = min(self._wanted, has + _free(self._file))
                allocate(self._file, room // _STEP * _STEP)

    def alone(self) -> bool:
        """Whether there is hardly anything else: what makes the database grow has to wait."""
        return self._file >= 0 and _free(self._file) < _HARDLY_ANYTHING

    def _open(self) -> None:
        self._file = os.open(self._log, os.O_RDWR | os.O_CLOEXEC)
        disk = os.fstatvfs(self._file)
        self._wanted = min(_LOG, disk.f_blocks * disk.f_frsize // _PART_OF_A_SMALL_DISK)

    def save(self) -> None:
        """The log is about to be removed, its room is not. Idempotent."""
        file, self._file = self._file, -1
        if file >= 0:
            os.close(file)
            with suppress(OSError):
                self._saved.unlink(missing_ok=True)
                self._saved.hardlink_to(self._log)


def _free(descriptor: int) -> int:
    disk = os.fstatvfs(descriptor)
    return disk.f_bavail * disk.f_frsize
