"""The engine's end of a build's connection: frames in and out, and a channel for each thing asked for."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any, Final

import msgspec

from pier import errors
from pier.api.buildstream.frames import (
    ANSWER,
    ASK,
    CONTENT,
    CREDIT,
    DATA,
    END,
    ERROR,
    LONGEST,
    WINDOW,
    Frame,
    Splitter,
    pack,
)
from pier.api.streams import RawStream
from pier.errors import Cancelled, InvalidArgument, PierError

_PIECE: Final = 256 << 10
_GONE: Final = Frame(0, 0, b"")


class Link:
    """``run`` reads until the client sends no more; everything else may be called meanwhile."""

    def __init__(self, stream: RawStream) -> None:
        self._stream = stream
        self._splitter = Splitter()
        self._channels: dict[int, Channel] = {}
        self._numbers = itertools.count(1)
        self._early: list[Frame] = []
        self._ended = False
        self._skip = 0

    def skip_first_byte(self) -> None:
        """It only carries descriptors, where there can be any."""
        self._skip = 1

    async def first(self) -> Frame:
        """The frame that begins the conversation. Raises Cancelled where the client goes before."""
        while data := await self._stream.read():
            data, self._skip = data[self._skip :], 0
            frames = list(self._splitter.feed(data))
            if frames:
                self._early = frames[1:]
                return frames[0]
        raise Cancelled("the client has gone")

    async def run(self) -> None:
        """Hand frames to their channels until the client has sent its last. Raises InvalidArgument for nonsense."""
        try:
            for frame in self._early:
                self._deliver(frame)
            while data := await self._stream.read():
                for frame in self._splitter.feed(data):
                    self._deliver(frame)
        finally:
            self._ended = True
            for channel in self._channels.values():
                channel.put(_GONE)

    def _deliver(self, frame: Frame) -> None:
        channel = self._channels.get(frame.channel)
        if channel is not None:  # else it was closed while the client still sent
            channel.put(frame)

    async def send(self, kind: int, channel: int, payload: bytes = b"") -> None:
        """Waits while the client does not read. Raises Cancelled when it has gone."""
        try:
            await self._stream.write(pack(kind, channel, payload))
        except ConnectionError as error:
            raise Cancelled("the client has gone") from error

    @contextmanager
    def open(self) -> Iterator["Channel"]:
        """A new channel, which is closed (with END) by :meth:`Channel.close` or forgotten at the block's end."""
        channel = Channel(self, next(self._numbers))
        self._channels[channel.number] = channel
        if self._ended:
            channel.put(_GONE)
        try:
            yield channel
        finally:
            del self._channels[channel.number]


class Channel:
    """One question and what belongs to it."""

    def __init__(self, link: Link, number: int) -> None:
        self.number = number
        self._link = link
        self._arrived: asyncio.Queue[Frame] = asyncio.Queue()
        self._held = 0
        self._used = 0

    def put(self, frame: Frame) -> None:
        self._held += len(frame.payload)
        if self._held > WINDOW + LONGEST:  # the last frame may be longer than the credit that was left
            raise InvalidArgument(f"more than {WINDOW} bytes came that nobody has asked for")
        self._arrived.put_nowait(frame)

    async def ask(self, what: str, **details: Any) -> None:
        await self._link.send(ASK, self.number, msgspec.json.encode({"what": what, **details}))

    async def get(self) -> Frame:
        """The next frame. Raises what the client says went wrong, Cancelled when it has gone."""
        frame = await self._arrived.get()
        if frame is _GONE:
            raise Cancelled("the client has gone")
        await self._credit(len(frame.payload))
        if frame.kind == ERROR:
            raise _refusal(frame.payload)
        return frame

    async def _credit(self, size: int) -> None:
        self._held -= size
        self._used += size
        if self._used >= WINDOW // 4:
            used, self._used = self._used, 0
            await self._link.send(CREDIT, self.number, used.to_bytes(4, "big"))

    async def answer(self) -> Any:
        """The JSON of an ANSWER. Raises InvalidArgument for anything else."""
        frame = await self.get()
        if frame.kind != ANSWER:
            raise InvalidArgument(f"the client sent {frame.kind} where an answer is expected")
        return decoded(frame.payload)

    async def data(self) -> AsyncIterator[bytes]:
        """What is sent until END."""
        while (frame := await self.get()).kind != END:
            if frame.kind not in (DATA, CONTENT):
                raise InvalidArgument(f"the client sent {frame.kind} where data are expected")
            yield frame.payload

    async def send(self, data: bytes) -> None:
        for begin in range(0, len(data), _PIECE):
            await self._link.send(DATA, self.number, data[begin : begin + _PIECE])

    async def close(self) -> None:
        """Tell the client that nothing more comes here."""
        await self._link.send(END, self.number)


def decoded(payload: bytes) -> Any:
    try:
        return msgspec.json.decode(payload)
    except msgspec.DecodeError as error:
        raise InvalidArgument(f"the client sent broken JSON: {error}") from error


def _refusal(payload: bytes) -> PierError:
    """What the client could not give: an error of the kind that it names."""
    told = decoded(payload)
    kind = getattr(errors, str(told.get("kind")), None)
    if not (isinstance(kind, type) and issubclass(kind, PierError)):
        kind = InvalidArgument
    return kind(str(told.get("message") or "the client failed"))
