"""One build of ``pier build``, from the first byte to the last."""

import asyncio
import os
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from typing import Any, Final

import msgspec
from aiohttp import web

from pier.api.buildstream.feed import Feed
from pier.api.buildstream.frames import FAILED, HELLO, RESULT
from pier.api.buildstream.link import Link
from pier.api.buildstream.offers import parse_hello
from pier.api.buildstream.session import StreamSession
from pier.api.call import Call
from pier.api.services import Services
from pier.api.streams import RawStream, Taken, hijack
from pier.build.build import build
from pier.errors import Cancelled, Internal, InvalidArgument, PierError
from pier.linux.descriptors import is_folder, receive_byte
from pier.log import Logger

_log: Final = Logger("pier.build")
_MEDIA_TYPE: Final = "application/vnd.pier.build"


async def conduct(call: Call) -> web.StreamResponse:
    """Answer 101, and build; the client is told how it ended as far as it still listens."""
    stream = hijack(call, _MEDIA_TYPE)
    with ExitStack() as stack:
        stack.callback(stream.close)
        link = Link(stream)
        with suppress(Cancelled):
            try:
                descriptors = await _handed_over(stream, link)
                for each in descriptors:
                    stack.callback(os.close, each)
                _require_folders(descriptors)
                await _converse(call.services, link, descriptors)
            except PierError as error:
                await link.send(FAILED, 0, failure(error))
            except Exception as error:
                _log.exception("a build failed")
                await link.send(FAILED, 0, failure(Internal(f"internal error: {type(error).__name__}: {error}")))
            await stream.finish()
    return Taken()


async def _handed_over(stream: RawStream, link: Link) -> list[int]:
    """The folders that come with the client's first byte: none where it is not a unix socket all the way.

    Nothing has been read since the 101, which the client waits for.
    """
    descriptor = stream.hold()
    if descriptor is None:
        link.skip_first_byte()
        return []
    try:
        return (await receive_byte(descriptor))[1]
    finally:
        stream.resume()


def _require_folders(descriptors: Sequence[int]) -> None:
    if not all(map(is_folder, descriptors)):
        raise InvalidArgument("a descriptor that was handed over is no folder")


async def _converse(services: Services, link: Link, descriptors: Sequence[int]) -> None:
    first = await link.first()
    if first.kind != HELLO:
        raise InvalidArgument("the client did not say what it wants")
    hello = parse_hello(first.payload)
    feed = Feed(link)
    session = StreamSession(link, services.builds, hello, descriptors)
    feeding = asyncio.ensure_future(feed.run())
    reading = asyncio.ensure_future(link.run())
    building = asyncio.ensure_future(build(services.builds, hello.request, session, feed.publish))
    try:
        await asyncio.wait({building, reading}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await _end(building, feeding, reading)
    _raise_nonsense(reading)
    await feed.flush()
    if building.cancelled():
        raise Cancelled("Canceled: context canceled")
    made = building.result()
    images = [str(image) for image in made.images]
    await link.send(RESULT, 0, msgspec.json.encode({"images": images, "metadata": made.metadata}))


async def _end(*tasks: "asyncio.Task[Any]") -> None:
    """The first is given its time to undo what it did while the others still carry what it says."""
    for task in tasks:
        task.cancel()
        await asyncio.wait({task})
        if not task.cancelled():
            task.exception()  # that it was seen


def _raise_nonsense(reading: "asyncio.Task[None]") -> None:
    """What the client sent that cannot be understood is why the build was cancelled."""
    if not reading.cancelled():
        reading.result()


def failure(error: PierError) -> bytes:
    """``message``: one line; ``shown``: the Dockerfile's lines; ``step`` and ``output``: who failed, its last lines."""
    return msgspec.json.encode(
        {
            "kind": type(error).__name__,
            "message": getattr(error, "reason", "") or error.message,
            "shown": getattr(error, "shown", ""),
            "vertex": getattr(error, "vertex", ""),
            "step": getattr(error, "step", ""),
            "output": getattr(error, "output", ()),
        }
    )
