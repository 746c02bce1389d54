"""One request's turn at an upload: nobody else writes to it meanwhile, and what has come by the end of it is kept."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Final

import msgspec

from pier.errors import Conflict, DataCorrupted, NoSpace, PierError, Unavailable
from pier.log import Logger
from pier.registry.blobs.room import Room
from pier.registry.blobs.underway import Hash
from pier.registry.blobs.uploads import discard, out_of_order, status, unknown
from pier.registry.deps import Registry
from pier.registry.model import Upload
from pier.registry.refusals import Code, Refusal
from pier.registry.storage import Writer
from pier.registry.threads import settled, unbroken

_log: Final = Logger("pier.registry")
_HOP: Final = 64 << 10
_CHECKPOINT: Final = 256 << 20
_CHECKPOINT_SECONDS: Final = 600
_COLLECTIONS: Final = 4
"""That an upload outlives for which there was no room: a minute, by default."""
BUSY: Final = "the upload is being written by another request"


@asynccontextmanager
async def turn(
    registry: Registry, repository: str, id: str, start: int | None, holder: str = ""
) -> AsyncIterator["Session"]:
    """Raises Refusal: BLOB_UPLOAD_UNKNOWN; RANGE_INVALID where it is not at ``start``, or somebody else is at it.

    Where the block is DENIED the room, the upload goes, and what the push of ``holder`` has brought before.
    """
    with registry.underway.alone(id) as alone:
        if not alone:
            raise out_of_order(await status(registry, repository, id), BUSY)
        session = await _begun(registry, repository, id, start)
        try:
            yield session
        except DataCorrupted as error:
            raise await _lost(registry, session.upload, error) from error
        except Refusal as refusal:
            if refusal.code is Code.DENIED:
                await unbroken(_give_up(session, holder))
            raise
        finally:
            registry.underway.coming.rest(id, session.upload.offset, registry.now())
            await unbroken(session.writer.close())


async def _give_up(session: "Session", holder: str) -> None:
    """It would count until it is stale, or its lease ends, and keep smaller pushes out."""
    await session.writer.close()
    await discard(session.registry, session.upload)
    if holder:
        await session.registry.records.give_up(session.upload.repository, holder)


async def _begun(registry: Registry, repository: str, id: str, start: int | None) -> "Session":
    kept = registry.underway.recall(id)
    if kept and registry.storage.exclusive and kept.upload.repository == repository:
        fits = start in (None, kept.upload.offset)
        if fits and (session := await _opened(registry, kept.upload, kept.hash)):
            return session
    upload = await status(registry, repository, id)
    hash = kept.hash if kept and kept.upload.offset == upload.offset else None
    if start is not None and start != upload.offset:
        registry.underway.remember(upload, hash)
        raise out_of_order(upload)
    session = await _opened(registry, upload, hash)
    if session is None:
        raise out_of_order(await status(registry, repository, id), BUSY)
    return session


async def _opened(registry: Registry, upload: Upload, hash: Hash | None) -> "Session | None":
    """None where the upload has moved on since it was ``upload``.

    What locks the file looks at the row once more: another process may have written, even finished it, meanwhile.
    """
    writer = await _writer(registry, upload)
    current = False
    try:
        exclusive = registry.storage.exclusive
        current = not exclusive or (await status(registry, upload.repository, upload.id)).offset == upload.offset
    finally:
        if not current:
            await unbroken(writer.close())
    return Session(registry, upload, writer, hash) if current else None


async def _writer(registry: Registry, upload: Upload) -> Writer:
    try:
        return await registry.storage.resume(upload.location, upload.offset, upload.state)
    except Conflict as error:
        raise out_of_order(upload, BUSY) from error
    except DataCorrupted as error:
        raise await _lost(registry, upload, error) from error


async def _lost(registry: Registry, upload: Upload, error: DataCorrupted) -> Refusal:
    """An upload whose bytes are gone cannot go on: the client has to begin another."""
    _log.error("an upload has lost bytes", upload=upload.id, error=error)
    await unbroken(discard(registry, upload))
    return unknown(upload.id)


class Session:
    """``upload`` is what the records know. ``hash`` is None where the bytes before were not hashed here."""

    def __init__(self, registry: Registry, upload: Upload, writer: Writer, hash: Hash | None) -> None:
        self.registry = registry
        self.upload = upload
        self.writer = writer
        self.hash = hash if upload.offset else Hash()
        self.taken = 0
        self._noted = registry.clock()
        self._room = Room(registry, upload)

    async def take(self, chunks: AsyncIterator[bytes], expected: int = 0) -> None:
        """Write and hash all of ``chunks``, one piece while the next one comes. They are ``expected`` bytes, or more.

        Whatever ends it (the client goes, the disk is full), what was written by then is kept for another request.
        """
        going: asyncio.Task[None] | None = None
        whole = self.upload.offset + expected
        try:
            await self._room.cover(whole)
            async with aclosing(self._pieces(chunks)) as pieces:
                async for piece in pieces:
                    if going is not None:
                        await settled(going)
                        await self._checkpoint()
                    await self._room.cover(max(whole, self.upload.offset + self.taken + len(piece)))
                    going = asyncio.create_task(self._put(piece))
            if going is not None:
                await settled(going)
        except BaseException as error:
            await unbroken(self._keep(going, isinstance(error, NoSpace)))
            raise

    async def pause(self) -> None:
        """Make what was taken durable, and known. Raises Refusal where the upload is not ours any more."""
        if self.taken:
            await unbroken(self._pause())
        self.registry.underway.remember(self.upload, self.hash)

    async def _pieces(self, chunks: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
        held: list[bytes] = []
        size = 0
        async for chunk in chunks:
            held.append(chunk)
            size += len(chunk)
            if size >= self.registry.underway.piece():
                yield b"".join(held)
                held, size = [], 0
        if size:
            yield b"".join(held)

    async def _put(self, piece: bytes) -> None:
        """A failed write leaves a hash of more than was written, which nobody remembers then."""
        self.taken += len(piece)
        if len(piece) < _HOP:
            if self.hash is not None:
                self.hash.update(piece)
            await self.writer.write(piece)
            return
        loop = asyncio.get_running_loop()
        hashing = loop.run_in_executor(None, self.hash.update, piece) if self.hash is not None else None
        try:
            await self.writer.write(piece)
        finally:
            if hashing is not None:
                await settled(hashing)

    async def _checkpoint(self) -> None:
        """A server that is killed in a long upload shall not have it begin anew; nor shall a slow one seem stale."""
        if self.taken >= _CHECKPOINT or self.registry.clock() - self._noted > _CHECKPOINT_SECONDS:
            await unbroken(self._pause())

    async def _keep(self, going: asyncio.Task[None] | None, full: bool) -> None:
        """Where the disk is ``full``, not for long: what is kept takes the room that there is, and few come back."""
        try:
            if going is not None:
                await self._written(going)
            if self.taken or full:
                await self._pause(self._almost_stale() if full else None)
            self.registry.underway.remember(self.upload, self.hash)
        except PierError as error:
            _log.warning("what came of an upload is lost", upload=self.upload.id, error=error)

    async def _written(self, going: asyncio.Task[None]) -> None:
        """Raises Unavailable alone: where the storage is away, what it has not taken cannot be kept."""
        try:
            await going
        except Unavailable:
            raise
        except Exception:
            return

    def _almost_stale(self) -> int:
        settings = self.registry.settings
        return self.registry.now() - settings.upload_life + _COLLECTIONS * settings.collect_every

    async def _pause(self, touched: int | None = None) -> None:
        upload = self.upload
        offset, state = await self.writer.pause()
        now = self.registry.now() if touched is None else touched
        if not await self.registry.records.advance_upload(upload.id, upload.offset, offset, state, now):
            raise out_of_order(await status(self.registry, upload.repository, upload.id), BUSY)
        self.upload = msgspec.structs.replace(upload, offset=offset, state=state, touched=now)
        self.taken = 0
        self._noted = self.registry.clock()
