"""Results for the client: an archive as it is, or a folder, file by file."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import IO, Final

from grpclib.client import Stream, StreamStreamMethod
from multidict import MultiDict

from pier.api.buildkit.calls import client_errors, metadata
from pier.api.buildkit.proto.fsutil_pb2 import Packet
from pier.api.buildkit.proto.session_pb2 import BytesMessage
from pier.api.buildkit.sessions import Attached
from pier.api.buildkit.tarfolder import Member, members
from pier.errors import InvalidArgument, Unsupported

_SEND: Final = "/moby.filesync.v1.FileSend/DiffCopy"
_EXPORTER: Final = "buildkit-attachable-exporter-id"
_CHUNK: Final = 1 << 20


async def send_archive(session: Attached, output: int, chunks: AsyncIterator[bytes]) -> None:
    """Give the client the bytes of its output number ``output``, and wait until it has them all."""
    _require(session)
    method = StreamStreamMethod(session.channel, _SEND, BytesMessage, BytesMessage)
    with client_errors():
        async with method.open(metadata=_headers(output)) as stream:
            await stream.send_request()
            async for chunk in chunks:
                for start in range(0, len(chunk), _CHUNK):
                    await stream.send_message(BytesMessage(data=chunk[start : start + _CHUNK]))
            await stream.end()
            async for _ in stream:
                pass


async def send_folder(session: Attached, tmp: Path, output: int, chunks: AsyncIterator[bytes]) -> None:
    """Give the client what is in the tar, in the order and of the files that it asks for."""
    _require(session)
    method = StreamStreamMethod(session.channel, _SEND, Packet, Packet)
    with tempfile.TemporaryFile(dir=tmp) as spool:
        async for chunk in chunks:
            await asyncio.to_thread(spool.write, chunk)
        found = await asyncio.to_thread(members, spool)
        with client_errors():
            async with method.open(metadata=_headers(output)) as stream:
                await stream.send_request()
                await _Sender(stream, spool, found).run()


class _Sender:
    """Tells of all files, and gives the contents of those that are asked for, both at once."""

    def __init__(self, stream: Stream[Packet, Packet], spool: IO[bytes], found: list[Member]) -> None:
        self._stream = stream
        self._spool = spool
        self._found = found
        self._sending = asyncio.Lock()

    async def run(self) -> None:
        telling = asyncio.ensure_future(self._tell())
        try:
            async for packet in self._stream:
                if packet.type == Packet.PACKET_REQ:
                    await self._give(packet.ID)
                elif packet.type == Packet.PACKET_ERR:
                    raise InvalidArgument(f"error from receiver: {packet.data.decode(errors='replace')}")
                elif packet.type == Packet.PACKET_FIN:
                    await telling
                    await self._send(Packet(type=Packet.PACKET_FIN))
                    break
            await self._stream.end()
            async for _ in self._stream:
                pass
        finally:
            telling.cancel()
            await asyncio.wait([telling])

    async def _tell(self) -> None:
        for member in self._found:
            await self._send(Packet(type=Packet.PACKET_STAT, stat=member.stat))
        await self._send(Packet(type=Packet.PACKET_STAT))

    async def _give(self, number: int) -> None:
        if number >= len(self._found):
            raise InvalidArgument(f"invalid file id {number}")
        member = self._found[number]
        at, end = member.offset, member.offset + member.stat.size
        while at < end:
            data = await asyncio.to_thread(self._read, at, min(_CHUNK, end - at))
            await self._send(Packet(type=Packet.PACKET_DATA, ID=number, data=data))
            at += len(data)
        await self._send(Packet(type=Packet.PACKET_DATA, ID=number))

    def _read(self, offset: int, size: int) -> bytes:
        self._spool.seek(offset)
        return self._spool.read(size)

    async def _send(self, packet: Packet) -> None:
        async with self._sending:
            await self._stream.send_message(packet)


def _require(session: Attached) -> None:
    if not session.offers(_SEND):
        raise Unsupported("the client takes no results: it has no output of this kind")


def _headers(output: int) -> MultiDict[str]:
    return MultiDict(metadata({_EXPORTER: [str(output)]}))
