"""One blob on its way from an upstream into the storage, and to everybody who waits for it at the same time.

Readers read what has been written already, from the storage's own file where it has one, else from a spool: a slow
reader holds nobody up, and nothing is kept in memory for one that comes late.
"""

import asyncio
import os
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from pier.errors import DataCorrupted, Forbidden, NoSpace, NotFound, PierError, Unauthorized
from pier.oci.digest import Digest
from pier.oci.manifest import Descriptor
from pier.registry.blobs.finish import complete
from pier.registry.blobs.session import Session, turn
from pier.registry.deps import Registry
from pier.registry.model import Blob, Upload
from pier.registry.refusals import Code, Refusal
from pier.registry.storages.disk import as_kinds
from pier.registry.threads import hop, obtain
from pier.registry.upstream.asking import silent
from pier.remote import fetch
from pier.remote.repository import Repository

_PIECE: Final = 128 << 10
_LOOK_AGAIN: Final = 0.5
_UNSETTLED: Final = 4 << 20
"""Bytes behind where an upload goes on whose place in the file may still hold what was never promised."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """``source`` is where it comes from, ``repository`` what it is for here."""

    repository: str
    source: Repository
    digest: Digest
    size: int

    @property
    def upstream(self) -> str:
        return self.repository.partition("/")[0]

    @property
    def descriptor(self) -> Descriptor:
        return Descriptor("application/octet-stream", self.digest, self.size)


class Download:
    """``run`` brings it, once; ``read`` is for any number of readers meanwhile, and afterwards."""

    def __init__(self, registry: Registry, wanted: Wanted) -> None:
        self._registry = registry
        self.wanted = wanted
        self.blob: Blob | None = None
        self._failure: PierError | None = None
        self._file = -1
        self._spooled = False
        self._first = 0
        self._reached = 0
        self._moved = asyncio.Event()
        self._users = 1

    @property
    def digest(self) -> Digest:
        return self.wanted.digest

    @property
    def size(self) -> int:
        return self.wanted.size

    async def run(self, upload: Upload, holder: str) -> Blob:
        """Raises what the upstream, the storage or the records do: :meth:`fail` is what tells the readers."""
        try:
            async with turn(self._registry, self.wanted.repository, upload.id, None) as session:
                await self._open(session)
                await session.take(self._arriving(session.upload.offset), self.size - session.upload.offset)
                self.blob = await complete(session, self.wanted.digest, holder)
                self._wake()
            return self.blob
        finally:
            self._leave()

    def fail(self, error: PierError) -> None:
        """Nothing more will come."""
        self._failure = error
        self._wake()

    def _leave(self) -> None:
        """The last one closes the file: what runs, or a reader."""
        self._users -= 1
        if not self._users and self._file >= 0:
            os.close(self._file)
            self._file = -1

    async def _open(self, session: Session) -> None:
        self._first = self._reached = session.upload.offset
        try:
            file = self._registry.storage.open(session.upload.location)
        except NotFound:
            file = None
        if file is None:
            self._spooled = True
            file = await obtain(None, os.close, _spool, self._registry.settings.root)
        self._file = file

    async def _arriving(self, offset: int) -> AsyncIterator[bytes]:
        if offset > self.size:
            raise DataCorrupted(f"{offset} bytes have come of {self.size}")
        if offset == self.size:
            return
        async for piece in fetch.blob(self.wanted.source, self.wanted.descriptor, offset):
            if self._spooled:
                await hop(None, _append, self._file, piece)
            yield piece
            self._reached += len(piece)
            self._wake()

    def _wake(self) -> None:
        self._moved.set()
        self._moved = asyncio.Event()

    def _readable(self) -> int:
        """How far the file has what came; its last byte only once the whole is what it should be."""
        known = self._reached if self.blob is not None else min(self._reached, self.size - 1)
        if self._file < 0 or (self._first and self._reached - self._first < _UNSETTLED and not self._spooled):
            return min(self._first, known)
        start = self._first if self._spooled else 0
        return min(known, start + os.fstat(self._file).st_size)

    async def read(self, start: int, stop: int) -> AsyncGenerator[bytes, None]:
        """Bytes ``start`` to ``stop`` (exclusive) as they come. Raises Refusal where they do not.

        Where there is no room to keep it, what comes is passed on.
        """
        self._users += 1
        try:
            async for piece in self._read(start, stop):
                yield piece
        finally:
            self._leave()

    async def _read(self, start: int, stop: int) -> AsyncIterator[bytes]:
        while start < stop:
            moved = self._moved
            lowest = self._first if self._spooled else 0
            if lowest <= start < (readable := self._readable()):
                count = min(stop, readable, start + _PIECE) - start
                piece = await hop(None, os.pread, self._file, count, start - lowest)
                start += len(piece)
                yield piece
            elif self.blob is not None:
                async for piece in self._registry.storage.read(self.blob.location, start, stop):
                    yield piece
                return
            elif isinstance(self._failure, NoSpace):
                async for piece in _passed_on(self.wanted, start, stop):
                    yield piece
                return
            elif self._failure is not None:
                raise _told(self.wanted, self._failure) from self._failure
            else:
                await _moved(moved, _LOOK_AGAIN if self._reached > start else None)


async def _moved(moved: asyncio.Event, seconds: float | None) -> None:
    """``seconds`` where bytes have come that are not written yet: nobody says when they are."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await moved.wait()


async def _passed_on(wanted: Wanted, start: int, stop: int) -> AsyncIterator[bytes]:
    try:
        async for piece in fetch.blob(wanted.source, wanted.descriptor, start):
            yield piece[: stop - start]
            start += len(piece)
            if start >= stop:
                return
    except PierError as error:
        raise _told(wanted, error) from error


def _told(wanted: Wanted, error: PierError) -> Refusal:
    """What readers hear of what went wrong between the upstream and us: none of it is of their making."""
    if isinstance(error, NotFound | Forbidden | Unauthorized):
        return Refusal(Code.BLOB_UNKNOWN, "blob unknown to registry", {"digest": wanted.digest})
    return silent(wanted.upstream, error.message)


def _spool(folder: str) -> int:
    with as_kinds(), tempfile.TemporaryFile(dir=folder) as file:
        return os.dup(file.fileno())


def _append(file: int, data: bytes) -> None:
    """Raises NoSpace."""
    with as_kinds():
        view = memoryview(data)
        while view:
            view = view[os.write(file, view) :]
