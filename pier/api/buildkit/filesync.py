"""The client's folders: it tells of every file, in order, and sends those whose content is not here yet."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, Protocol

from pier.api.buildkit.packets import PacketStream
from pier.api.buildkit.proto.fsutil_pb2 import Packet, Stat
from pier.api.buildkit.sessions import Attached
from pier.build.deps import Deps
from pier.build.session import Folder
from pier.errors import InvalidArgument, NotFound, Unsupported

_SYNC: Final = "/moby.filesync.v1.FileSync/DiffCopy"


class Sink(Protocol):
    """Where the files go."""

    def entry(self, stat: Stat) -> bool:
        """Take note of the next file; whether its content is wanted."""

    def write(self, number: int, data: bytes) -> None:
        """More of the content of file ``number``."""

    def finish(self, number: int) -> None:
        """That was all of it."""


@asynccontextmanager
async def folder(
    session: Attached, deps: Deps, name: str, paths: tuple[str, ...], exclude: tuple[str, ...]
) -> AsyncIterator[Folder]:
    """Yield the client's folder ``name``, up to date. Raises NotFound where it has none of that name."""
    if not session.offers(_SYNC):
        raise NotFound("no local sources enabled")
    raise Unsupported("building images is not supported yet")
    yield Folder(deps.root, name)


async def receive(stream: PacketStream, sink: Sink) -> None:
    """Fill ``sink``. Raises InvalidArgument for what the client says of its failure, and for nonsense."""
    told = 0
    wanted: set[int] = set()
    complete = False
    async for batch in stream.batches():
        asked = []
        for packet in batch:
            if packet.type == Packet.PACKET_DATA:
                if packet.ID not in wanted:
                    raise InvalidArgument(f"invalid file request {packet.ID}")
                if packet.data:
                    sink.write(packet.ID, packet.data)
                else:
                    wanted.discard(packet.ID)
                    sink.finish(packet.ID)
            elif packet.type == Packet.PACKET_STAT and not packet.HasField("stat"):
                complete = True
            elif packet.type == Packet.PACKET_STAT:
                if sink.entry(packet.stat):
                    wanted.add(told)
                    asked.append(Packet(type=Packet.PACKET_REQ, ID=told))
                told += 1
            elif packet.type == Packet.PACKET_ERR:
                raise InvalidArgument(f"error from sender: {packet.data.decode(errors='replace')}")
            elif packet.type == Packet.PACKET_FIN:
                return
        if complete and not wanted:
            asked.append(Packet(type=Packet.PACKET_FIN))
        await stream.send(asked, last=complete and not wanted)
        complete = complete and bool(wanted)
