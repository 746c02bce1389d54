"""Blobs as files of one folder, ``<root>/ab/abcd…``: implements :class:`pier.registry.storage.Storage`.

An upload is a file that grows at its location; finishing makes it durable and moves nothing, so that a small blob costs
one commit of the file system's journal. A lock on the file keeps other writers out, those of other processes included.
"""

import errno
import fcntl
import os
import re
import secrets
import tempfile
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Final

from pier.errors import DataCorrupted, NotFound
from pier.registry.storages.disk import as_kinds, check_room, sync_folder
from pier.registry.storages.folderwriter import FolderWriter
from pier.registry.threads import hop, obtain

_LOCATION: Final = re.compile(r"[0-9a-f]{32}", re.A)
_PIECE: Final = 1 << 20
_IN_MEMORY: Final = 256 << 10
"""Of what the kernel has in memory, so much is copied in the event loop: a thread would cost more than the bytes."""
_PROBE: Final = bytes(4096)
_THREADS: Final = 16
"""Syncs that wait for one commit of the journal together: 0.2 ms a small blob, 0.5 ms one after the other."""


class FolderStorage:
    """``root`` is made if need be. Raises Unavailable, NoSpace."""

    exclusive = True

    def __init__(self, root: Path) -> None:
        self._root = root
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="storage")
        with as_kinds():
            root.mkdir(mode=0o700, parents=True, exist_ok=True)
            for number in range(256):
                with suppress(FileExistsError):
                    os.mkdir(root / f"{number:02x}", 0o700)
            sync_folder(root)

    def location(self) -> str:
        return secrets.token_hex(16)

    async def resume(self, location: str, offset: int, state: bytes) -> FolderWriter:
        path = self._path(location)
        return await obtain(self._threads, FolderWriter.give_up, FolderWriter.open, self._threads, path, offset)

    async def salvage(self, location: str) -> int:
        return await hop(self._threads, _salvage, self._path(location))

    async def read(self, location: str, start: int, stop: int) -> AsyncIterator[bytes]:
        descriptor = await obtain(self._threads, os.close, self.open, location)
        room = memoryview(bytearray(min(_IN_MEMORY, stop - start)))
        try:
            while start < stop:
                piece = _remembered(descriptor, room[: stop - start], start)
                if not piece:
                    piece = await hop(self._threads, _pread, descriptor, min(_PIECE, stop - start), start)
                start += len(piece)
                yield piece
        finally:
            os.close(descriptor)

    def open(self, location: str) -> int:
        path = self._path(location)
        with as_kinds():
            try:
                return os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            except FileNotFoundError as error:
                raise NotFound(f"no bytes at {location}") from error

    async def url(self, location: str, seconds: int) -> None:
        return None

    async def delete(self, location: str, state: bytes = b"") -> None:
        await hop(self._threads, _delete, self._path(location))

    async def walk(self) -> AsyncIterator[str]:
        for number in range(256):
            for name in await hop(self._threads, _names, self._root / f"{number:02x}"):
                yield name

    async def healthy(self) -> None:
        await hop(self._threads, _probe, self._root)

    async def stop(self) -> None:
        await hop(None, self._threads.shutdown)

    def _path(self, location: str) -> Path:
        if not _LOCATION.fullmatch(location):
            raise NotFound(f"{location[:100]!r} is no location")
        return self._root / location[:2] / location


def _salvage(path: Path) -> int:
    with as_kinds():
        try:
            file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            return 0
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.fdatasync(file)
            sync_folder(path.parent)
            return os.fstat(file).st_size
        except BlockingIOError:
            return 0
        finally:
            os.close(file)


def _remembered(descriptor: int, room: memoryview, offset: int) -> bytes:
    """What can be had without waiting for the disk, by way of ``room``; none where the file system cannot tell."""
    try:
        count = os.preadv(descriptor, [room], offset, os.RWF_NOWAIT)
    except OSError:
        return b""
    return bytes(room[:count])


def _pread(descriptor: int, length: int, offset: int) -> bytes:
    with as_kinds():
        piece = os.pread(descriptor, length, offset)
    if not piece:
        raise DataCorrupted(f"a blob ends at {offset}: it is shorter than it was")
    return piece


def _delete(path: Path) -> None:
    with as_kinds():
        try:
            path.unlink()
        except FileNotFoundError:
            return
        sync_folder(path.parent)


def _names(folder: Path) -> list[str]:
    with as_kinds():
        return [name for name in os.listdir(folder) if _LOCATION.fullmatch(name)]


def _probe(root: Path) -> None:
    with as_kinds(), tempfile.TemporaryFile(dir=root, buffering=0) as file:
        check_room(file.fileno(), len(_PROBE))
        if file.write(_PROBE) < len(_PROBE):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.fdatasync(file.fileno())
