"""A call whose messages are small and many: they come, and go, in batches."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

from grpclib.client import Stream, StreamStreamMethod
from multidict import MultiDict

from pier.api.buildkit.proto.fsutil_pb2 import Packet
from pier.api.buildkit.taps import Taps
from pier.api.buildkit.transport import SessionChannel
from pier.errors import Cancelled, InvalidArgument

_PREFIX: Final = 5
_LARGEST: Final = 16 << 20


class PacketStream:
    """Both directions of one call; see :func:`open_packets`."""

    def __init__(self, stream: Stream[Packet, Packet], taps: Taps, lost: asyncio.Event) -> None:
        assert stream._stream.id is not None
        self._stream = stream
        self._id = stream._stream.id
        self._taps = taps
        self._lost = lost
        self._arrived = asyncio.Event()
        self._data: list[bytes] = []
        self._partial = b""

    def data(self, payload: bytes) -> None:
        self._data.append(payload)
        self._arrived.set()

    async def send(self, packets: Iterable[Packet], *, last: bool = False) -> None:
        """Send all at once. With the ``last`` of them the call ends on our side: the client breaks off those that have
        not ended when it is through with them."""
        encoded = [packet.SerializeToString() for packet in packets]
        if encoded:
            data = b"".join(b"\0" + len(each).to_bytes(4) + each for each in encoded)
            await self._stream._stream.send_data(data, end_stream=last)
            self._stream._end_done = last

    async def batches(self) -> AsyncIterator[Sequence[Packet]]:
        """Yield what has come, until the client ends the call. Raises GRPCError, Cancelled when the client has gone.

        The next batch's room is given to the client when this one has been dealt with.
        """
        await self._stream.recv_initial_metadata()
        trailers = asyncio.ensure_future(self._stream._stream.trailers_received.wait())
        lost = asyncio.ensure_future(self._lost.wait())
        try:
            while True:
                await self._wait(trailers, lost)
                if not self._data:
                    break
                size, packets = self._take()
                if packets:
                    yield packets
                self._taps.consumed(self._id, size)
        finally:
            trailers.cancel()
            lost.cancel()
        if self._lost.is_set():
            raise Cancelled("the client went away")
        self._stream._end_done = True  # whatever we have not sent, nobody waits for
        await self._stream.recv_trailing_metadata()

    async def _wait(self, trailers: "asyncio.Future[Any]", lost: "asyncio.Future[Any]") -> None:
        while not self._data and not trailers.done() and not lost.done():
            self._arrived.clear()
            arrived = asyncio.ensure_future(self._arrived.wait())
            try:
                await asyncio.wait((arrived, trailers, lost), return_when=asyncio.FIRST_COMPLETED)
            finally:
                arrived.cancel()

    def _take(self) -> tuple[int, list[Packet]]:
        """The bytes that have come, and the messages that are whole by now."""
        size = sum(map(len, self._data))
        data = b"".join((self._partial, *self._data))
        self._data.clear()
        at = 0
        packets = []
        while len(data) - at >= _PREFIX:
            length = int.from_bytes(data[at + 1 : at + _PREFIX])
            if data[at] or length > _LARGEST:
                raise InvalidArgument("the client sends messages that are compressed or too large")
            end = at + _PREFIX + length
            if end > len(data):
                break
            packets.append(Packet.FromString(data[at + _PREFIX : end]))
            at = end
        self._partial = data[at:]
        return size, packets


@asynccontextmanager
async def open_packets(
    channel: SessionChannel, method: str, metadata: Sequence[tuple[str, str]]
) -> AsyncIterator[PacketStream]:
    """Call ``method``. When the block is left early, the call is broken off."""
    call = StreamStreamMethod(channel, method, Packet, Packet)
    async with call.open(metadata=MultiDict(metadata)) as stream:
        await stream.send_request()
        packets = PacketStream(stream, channel.taps, channel.lost)
        channel.taps.add(packets._id, packets)
        try:
            yield packets
        finally:
            channel.taps.remove(packets._id)
