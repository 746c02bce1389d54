"""The client's folders where they cannot be handed over: what changed of them since the last time is sent.

``pier/client/buildfolder.py`` is the other end.
"""

import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from pier.api.buildstream.frames import CONTENT, DATA, END, XATTRS, Frame
from pier.api.buildstream.link import Channel, Link
from pier.api.buildstream.offers import OfferedFolder
from pier.build.context import places
from pier.build.context.entry import Entry
from pier.build.context.freshfolder import FreshFolder
from pier.build.context.keptfolder import KeptFolder
from pier.build.deps import Deps
from pier.build.session import Folder
from pier.build.threads import in_thread
from pier.errors import InvalidArgument
from pier.linux.files import USER_XATTR


@asynccontextmanager
async def streamed(
    link: Link, deps: Deps, offered: OfferedFolder, paths: tuple[str, ...], exclude: tuple[str, ...], *, keep: bool
) -> AsyncIterator[Folder]:
    """Yield the folder, up to date. ``keep`` it for the next build, unless another build has it now."""
    key = places.key_of(offered.key, offered.name)
    if keep and key not in deps.in_use:
        async with places.kept(deps, key, f"local source for {offered.name}") as (place, record):
            sink = KeptFolder(place)
            await _fill(link, offered.name, sink, paths, exclude)
            record(sink.size)
            yield Folder(place, key)
    else:
        async with places.passing(deps) as place:
            await _fill(link, offered.name, FreshFolder(place), paths, exclude)
            yield Folder(place, place.name)


async def _fill(link: Link, name: str, sink: FreshFolder, paths: tuple[str, ...], exclude: tuple[str, ...]) -> None:
    try:
        with link.open() as channel:
            await channel.ask("folder", name=name, paths=paths, exclude=exclude)
            await _Filling(channel, sink).run()
        await in_thread(sink.done)
    finally:
        sink.close()


class _Filling:
    """Files are written on a thread, a frame at a time and in their order."""

    def __init__(self, channel: Channel, sink: FreshFolder) -> None:
        self._channel = channel
        self._sink = sink
        self._told = 0
        self._wanted: set[int] = set()

    async def run(self) -> None:
        """Raises InvalidArgument for nonsense, and for what the client cannot read."""
        while (frame := await self._channel.get()).kind != END:
            wanted = await in_thread(self._take, frame)
            if wanted is None:
                await self._channel.close()
            elif wanted:
                await self._channel.send(msgspec.json.encode(wanted))
        if self._wanted:
            raise InvalidArgument("the client ended before it sent all that it told of")

    def _take(self, frame: Frame) -> list[int] | None:
        """The numbers that are wanted; None: all has been told."""
        if frame.kind == DATA:
            return self._entries(frame.payload)
        if frame.kind not in (CONTENT, XATTRS):
            raise InvalidArgument(f"the client sent {frame.kind} where files are expected")
        number = int.from_bytes(frame.payload[:4], "big")
        if number not in self._wanted:
            raise InvalidArgument(f"the client sent file {number}, which nobody asked for")
        if frame.kind == XATTRS:
            self._sink.mark(number, _told_xattrs(frame.payload[4:]))
        elif len(frame.payload) > 4:
            self._sink.write(number, frame.payload[4:])
        else:
            self._wanted.discard(number)
            self._sink.finish(number)
        return []

    def _entries(self, payload: bytes) -> list[int] | None:
        try:
            entries = _value(payload)
            told = [_entry(entry) for entry in entries]
        except (ValueError, TypeError, OverflowError, RecursionError) as error:
            raise _broken(error) from error
        wanted = []
        for each in told:
            if self._sink.entry(each):
                wanted.append(self._told)
                self._wanted.add(self._told)
            self._told += 1
        return wanted if entries else None


def _entry(told: list[Any]) -> Entry:
    """Raises ValueError, TypeError for what is none."""
    path, mode, _, _, size, modified, link, major, minor, *xattrs = told
    if not isinstance(path, str) or not isinstance(link, str):
        raise TypeError("a path is a text")
    marks = _xattrs(xattrs[0]) if xattrs else ()
    return Entry(path, int(mode), int(size), int(modified), link, os.makedev(major, minor), marks)


def _told_xattrs(payload: bytes) -> tuple[tuple[str, bytes], ...]:
    try:
        return _xattrs(_value(payload))
    except (ValueError, TypeError, RecursionError) as error:
        raise _broken(error) from error


def _xattrs(told: Any) -> tuple[tuple[str, bytes], ...]:
    """Raises ValueError, TypeError for what are none."""
    if not isinstance(told, dict) or not all(isinstance(value, str) for value in told.values()):
        raise TypeError("attributes are texts")
    pairs = ((name, value.encode("utf-8", "surrogateescape")) for name, value in told.items())
    return tuple(pair for pair in pairs if pair[0].startswith(USER_XATTR))


def _value(payload: bytes) -> Any:
    return json.loads(payload.decode("utf-8", "surrogateescape"))


def _broken(error: Exception) -> InvalidArgument:
    return InvalidArgument(f"the client told of files in a broken way: {error}")
