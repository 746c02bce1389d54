"""The client's folders: it tells of every file, in order, and sends those whose content is not here yet."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Final

from pier.api.buildkit.calls import client_errors, metadata
from pier.api.buildkit.gomode import unix_mode
from pier.api.buildkit.packets import PacketStream, open_packets
from pier.api.buildkit.proto.fsutil_pb2 import Packet, Stat
from pier.api.buildkit.sessions import Attached
from pier.build.context import places
from pier.build.context.entry import Entry
from pier.build.context.freshfolder import FreshFolder
from pier.build.context.keptfolder import KeptFolder
from pier.build.deps import Deps
from pier.build.session import Folder
from pier.errors import InvalidArgument, NotFound
from pier.linux.files import USER_XATTR

_AT_ONCE: Final = 64  # packets: a millisecond or two; to go to a thread and back costs more
_DATA: Final = Packet.PACKET_DATA  # to look them up in the message's class costs as much as to decode it
_STAT: Final = Packet.PACKET_STAT
_SYNC: Final = "/moby.filesync.v1.FileSync/DiffCopy"


@asynccontextmanager
async def folder(
    session: Attached, deps: Deps, name: str, paths: tuple[str, ...], exclude: tuple[str, ...], *, keep: bool
) -> AsyncIterator[Folder]:
    """Yield the client's folder ``name``, up to date. Raises NotFound where it has none of that name.

    ``keep``: for the next build, if the client can say by which name it will find it again.
    """
    if not session.offers(_SYNC):
        raise NotFound("no local sources enabled")
    headers = _headers(name, paths, exclude)
    key = places.key_of(session.shared_key, name) if keep and session.shared_key else ""
    if key and key not in deps.in_use:
        async with places.kept(deps, key, f"local source for {name}") as (place, record):
            sink = KeptFolder(place)
            await _fill(session, sink, headers)
            record(sink.size)
            yield Folder(place, key)
    else:
        async with places.passing(deps) as place:
            await _fill(session, FreshFolder(place), headers)
            yield Folder(place, place.name)


def _headers(name: str, paths: tuple[str, ...], exclude: tuple[str, ...]) -> list[tuple[str, str]]:
    """Without paths, all is wanted; so it is where one of them is the folder itself."""
    below = [path.strip("/") for path in paths]
    everything = any(path in ("", ".") for path in below)
    values: dict[str, Sequence[str]] = {"dir-name": [name]}
    if below and not everything:
        values["followpaths"] = below
    if exclude:
        values["exclude-patterns"] = exclude
    return metadata(values)


async def _fill(session: Attached, sink: FreshFolder, headers: list[tuple[str, str]]) -> None:
    try:
        with client_errors():
            async with open_packets(session.channel, _SYNC, headers) as stream:
                await receive(stream, sink)
        await asyncio.to_thread(sink.done)
    finally:
        sink.close()


class _Receiving:
    """What has been told so far, and what is still to come."""

    def __init__(self, sink: FreshFolder) -> None:
        self._sink = sink
        self._told = 0
        self._wanted: set[int] = set()
        self._complete = False
        self.ended = False

    def take(self, batch: Iterable[Packet]) -> list[Packet]:
        """Deal with a batch; returns what the client is to be asked for."""
        asked: list[Packet] = []
        for packet in batch:
            kind = packet.type
            if kind == _DATA:
                self._data(packet)
            elif kind == _STAT and not packet.HasField("stat"):
                self._complete = True
            elif kind == _STAT:
                if self._sink.entry(_entry(packet.stat)):
                    self._wanted.add(self._told)
                    asked.append(Packet(type=Packet.PACKET_REQ, ID=self._told))
                self._told += 1
            elif kind == Packet.PACKET_ERR:
                raise InvalidArgument(f"error from sender: {packet.data.decode(errors='replace')}")
            elif kind == Packet.PACKET_FIN:
                self.ended = True
        return asked

    def _data(self, packet: Packet) -> None:
        if packet.ID not in self._wanted:
            raise InvalidArgument(f"invalid file request {packet.ID}")
        if packet.data:
            self._sink.write(packet.ID, packet.data)
        else:
            self._wanted.discard(packet.ID)
            self._sink.finish(packet.ID)

    @property
    def satisfied(self) -> bool:
        return self._complete and not self._wanted


def _entry(told: Stat) -> Entry:
    major, minor = told.devmajor, told.devminor
    try:
        mode, device = unix_mode(told.mode), os.makedev(major, minor) if major or minor else 0
    except (ValueError, OverflowError) as error:
        raise InvalidArgument(f"cannot take {os.fsdecode(told.path)!r} from the client: {error}") from error
    xattrs = tuple(pair for pair in told.xattrs.items() if pair[0].startswith(USER_XATTR)) if told.xattrs else ()
    return Entry(os.fsdecode(told.path), mode, told.size, told.modTime, os.fsdecode(told.linkname), device, xattrs)


async def receive(stream: PacketStream, sink: FreshFolder) -> None:
    """Fill ``sink``. Raises InvalidArgument for what the client says of its failure, and for nonsense."""
    receiving = _Receiving(sink)
    finished = False
    async for batch in stream.batches():
        asked: list[Packet] = []
        for start in range(0, len(batch), _AT_ONCE):
            asked += receiving.take(batch[start : start + _AT_ONCE])
            await asyncio.sleep(0)
        if receiving.ended:
            return
        if receiving.satisfied and not finished:
            finished = True
            await stream.send([*asked, Packet(type=Packet.PACKET_FIN)], last=True)
        else:
            await stream.send(asked)
    raise InvalidArgument("the client ended before it had sent its files")
