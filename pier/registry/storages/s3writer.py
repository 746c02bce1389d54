"""One upload's bytes on their way to S3 (see :mod:`pier.registry.storages.s3`)."""

import asyncio
import secrets
from typing import Final

import msgspec

from pier.errors import DataCorrupted, NoSpace, NotFound
from pier.registry.storages.s3bucket import Bucket
from pier.registry.storages.spool import Spool
from pier.registry.threads import settled

PART: Final = 16 << 20
_MOST_PARTS: Final = 10_000


class State(msgspec.Struct, omit_defaults=True):
    """What another request goes on from. ``parts``: their tags, of :data:`PART` bytes each, of upload ``upload`` to
    the object ``key``. ``tail``: the object with the bytes behind them; ``old``: objects that are needed no more."""

    key: str = ""
    upload: str = ""
    parts: list[str] = []
    tail: str = ""
    tail_size: int = 0
    old: list[str] = []


def decode(state: bytes) -> State:
    try:
        return msgspec.msgpack.decode(state, type=State) if state else State()
    except msgspec.DecodeError as error:
        raise DataCorrupted("the state of an upload cannot be read") from error


class S3Writer:
    """Implements :class:`pier.registry.storage.Writer`. One part is sent while the next one comes.

    Every object it writes has a name of its own, so that what two writers of one upload do cannot mix.
    """

    def __init__(self, bucket: Bucket, location: str, state: State) -> None:
        self._bucket = bucket
        self._upload = location
        self._state = state
        self._location = location
        self._spool = Spool()
        self._sending: asyncio.Task[str] | None = None
        self._loaded = not state.tail
        self._changed = False

    @property
    def location(self) -> str:
        return self._location

    async def write(self, data: bytes) -> None:
        await self._load()
        self._changed = True
        while data:
            room = PART - self._spool.size
            await self._spool.append(data[:room])
            data = data[room:]
            if self._spool.size == PART:
                await self._send()

    async def pause(self) -> tuple[int, bytes]:
        if self._changed:
            await self._arrived()
            await self._set_down()
            self._changed = False
        state = self._state
        return len(state.parts) * PART + state.tail_size, msgspec.msgpack.encode(state)

    async def finish(self) -> int:
        state = self._state
        useless = [*state.old, *([state.tail] if state.tail else [])]
        if state.upload or self._sending:
            size = await self._complete()
        elif self._changed or not state.tail:
            self._location = self._name()
            await self._bucket.put(self._location, self._spool)
            size = self._spool.size
        else:
            self._location, size = state.tail, state.tail_size
            useless = state.old
        await self._bucket.delete(*useless)
        return size

    async def close(self) -> None:
        if self._sending is not None:
            self._sending.cancel()
            await asyncio.wait([self._sending])
            self._sending = None
        self._spool.close()

    async def _set_down(self) -> None:
        """What is no whole part becomes the tail. The one before it goes later: the records still name it."""
        state = self._state
        key = self._name() if self._spool.size else ""
        if key:
            await self._bucket.put(key, self._spool)
        await self._bucket.delete(*state.old)
        self._state = State(
            key=state.key,
            upload=state.upload,
            parts=state.parts,
            tail=key,
            tail_size=self._spool.size,
            old=[state.tail] if state.tail else [],
        )

    async def _complete(self) -> int:
        await self._load()
        state = self._state
        size = (len(state.parts) + (self._sending is not None)) * PART + self._spool.size
        if self._spool.size:
            await self._send()
        await self._arrived()
        await self._bucket.complete(state.key, state.upload, state.parts, size)
        self._location = state.key
        await self._tidy()
        return size

    async def _tidy(self) -> None:
        """Remove what instances that were killed in this upload had begun, and had not got into the records."""
        async for key, upload in self._bucket.unfinished(self._upload):
            if key != self._location:
                await self._bucket.abort(key, upload)
        async for name in self._bucket.names(self._upload):
            if name != self._location:
                await self._bucket.delete(name)

    async def _load(self) -> None:
        """Have the tail that another request left at the beginning of what comes."""
        if not self._loaded:
            try:
                async for piece in self._bucket.get(self._state.tail, 0, self._state.tail_size):
                    await self._spool.append(piece)
            except NotFound as error:
                raise DataCorrupted("the end of an upload is gone") from error
            self._loaded = True

    async def _send(self) -> None:
        """What is there becomes a part, behind our back."""
        await self._arrived()
        state = self._state
        if not state.upload:
            state.key = self._name()
            state.upload = await self._bucket.create(state.key)
        if len(state.parts) >= _MOST_PARTS:
            raise NoSpace(f"the object storage holds no blob of more than {_MOST_PARTS * PART >> 30} GiB")
        spool, self._spool = self._spool, Spool()
        self._sending = asyncio.create_task(self._part(len(state.parts) + 1, spool))

    async def _part(self, number: int, spool: Spool) -> str:
        try:
            return await self._bucket.put_part(self._state.key, self._state.upload, number, spool)
        finally:
            spool.close()

    async def _arrived(self) -> None:
        """The part that was being sent is there. Raises what went wrong with it, from then on always."""
        if self._sending is not None:
            self._state.parts.append(await settled(self._sending))
            self._sending = None

    def _name(self) -> str:
        return f"{self._upload}-{secrets.token_hex(6)}"
