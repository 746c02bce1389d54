"""One upload's bytes on their way into its file (see :mod:`pier.registry.storages.folder`)."""

import fcntl
import os
from concurrent.futures import Executor
from contextlib import suppress
from pathlib import Path
from typing import Final

from pier.errors import Conflict, DataCorrupted
from pier.registry.storages.disk import as_kinds, check_room, sync_folder
from pier.registry.threads import hop

_KEEP: Final = 64 << 10
_MOST_KEPT: Final = 512
_AT_ONCE: Final = 64 << 10
"""Of one write: larger ones make ext4 take larger pages from the kernel, which cost it up to ten times the time."""
_FLAGS: Final = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC


class FolderWriter:
    """Implements :class:`pier.registry.storage.Writer`: small pieces are kept until there are 64 KiB of them.

    What is counted is what the file has, so that a piece that failed half-way is promised to nobody.
    """

    def __init__(self, threads: Executor, path: Path, offset: int, descriptor: int, made: bool, cut: bool) -> None:
        self._threads = threads
        self._path = path
        self._descriptor = descriptor
        self._written = offset
        self._kept: list[bytes] = []
        self._kept_size = 0
        self._made = made
        self._named = offset > 0
        self._synced = offset > 0
        self._cut = cut

    @classmethod
    def open(cls, threads: Executor, path: Path, offset: int) -> "FolderWriter":
        """Blocks. Raises Conflict, DataCorrupted; the kinds of the disk."""
        with as_kinds():
            while True:
                descriptor, made = _open(path, offset)
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    status = os.fstat(descriptor)
                    if status.st_size < offset:
                        raise DataCorrupted(f"an upload ends at {status.st_size}, before {offset}")
                    if status.st_nlink:
                        return cls(threads, path, offset, descriptor, made, status.st_size == offset)
                except BlockingIOError as error:
                    os.close(descriptor)
                    raise Conflict("the upload is being written already") from error
                except BaseException:
                    os.close(descriptor)
                    raise
                os.close(descriptor)  # who had it before has removed it: that file would be nobody's

    @property
    def location(self) -> str:
        return self._path.name

    async def write(self, data: bytes) -> None:
        self._kept.append(data)
        self._kept_size += len(data)
        if self._kept_size >= _KEEP or len(self._kept) >= _MOST_KEPT:
            await hop(self._threads, self._flush)

    async def pause(self) -> tuple[int, bytes]:
        return await self.finish(), b""

    async def finish(self) -> int:
        if self._kept or not (self._synced and self._cut):
            await hop(self._threads, self._sync)
        return self._written

    async def close(self) -> None:
        if self._descriptor >= 0:
            await hop(self._threads, self.give_up)

    def give_up(self) -> None:
        """What :meth:`close` does; blocks. A file that nothing was promised of goes."""
        descriptor, self._descriptor = self._descriptor, -1
        try:
            if self._made and not self._named:
                with as_kinds(), suppress(FileNotFoundError):
                    self._path.unlink()
        finally:
            os.close(descriptor)

    def _flush(self) -> None:
        """On failure the kept pieces are lost: the file ends with what was written of them."""
        pieces = [memoryview(piece) for piece in self._kept]
        self._kept, self._kept_size = [], 0
        with as_kinds():
            self._cut_off()
            check_room(self._descriptor, sum(map(len, pieces)))
            while pieces:
                count = os.pwritev(self._descriptor, _at_once(pieces), self._written)
                self._written += count
                self._synced = False
                pieces = _beyond(pieces, count)

    def _cut_off(self) -> None:
        """Drop what another request left beyond the offset: only now, when the records have agreed that we write."""
        if not self._cut:
            if os.fstat(self._descriptor).st_size > self._written:
                os.ftruncate(self._descriptor, self._written)
                self._synced = False
            self._cut = True

    def _sync(self) -> None:
        self._flush()
        if self._synced:
            return
        with as_kinds():
            os.fdatasync(self._descriptor)
            if not self._named:
                sync_folder(self._path.parent)
        self._named = self._synced = True


def _open(path: Path, offset: int) -> tuple[int, bool]:
    """A descriptor, and whether the file is new."""
    while True:
        if offset == 0:
            with suppress(FileExistsError):
                return os.open(path, _FLAGS | os.O_CREAT | os.O_EXCL, 0o600), True
        try:
            return os.open(path, _FLAGS), False
        except FileNotFoundError as error:
            if offset:
                raise DataCorrupted(f"an upload is gone that had {offset} bytes") from error


def _at_once(pieces: list[memoryview]) -> list[memoryview]:
    """The first :data:`_AT_ONCE` bytes of ``pieces``."""
    taken, room = [], _AT_ONCE
    for piece in pieces:
        if not room:
            break
        taken.append(piece[:room])
        room -= len(taken[-1])
    return taken


def _beyond(pieces: list[memoryview], count: int) -> list[memoryview]:
    """``pieces`` without their first ``count`` bytes."""
    for number, piece in enumerate(pieces):
        if count < len(piece):
            return [piece[count:], *pieces[number + 1 :]]
        count -= len(piece)
    return []
