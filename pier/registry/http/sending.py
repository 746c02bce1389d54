"""A blob's bytes out: from the file to the socket inside the kernel where that can be, else in pieces.

The kernel's copy runs in threads of its own, on a second descriptor of the socket, because neither a disk that has to
seek nor a client that takes 900 MB may hold the event loop. A thread never waits for a slow client: that is the loop's.
"""

import asyncio
import errno
import os
import select
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from aiohttp import web

from pier.errors import DataCorrupted, DeadlineExceeded
from pier.registry.http.call import Call
from pier.registry.http.replies import HEADERS
from pier.registry.threads import hop

_THREADS: Final = ThreadPoolExecutor(8, thread_name_prefix="send")
_SMALL: Final = 64 << 10
_TURN: Final = 16 << 20
_AT_ONCE: Final = 4 << 20
_PATIENCE_MS: Final = 20
_CANNOT: Final = (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP)


async def send(call: Call, location: str, start: int, stop: int, response: web.StreamResponse) -> web.StreamResponse:
    """Answer with the bytes ``start`` to ``stop`` of ``location``. Raises NotFound, Unavailable before it begins."""
    file = call.registry.storage.open(location)
    try:
        if file is not None and stop - start <= _SMALL:
            return _at_once(file, start, stop, response)
        response.content_length = stop - start
        if file is None or call.request.secure:
            await _in_pieces(call, location, start, stop, response)
        else:
            await _by_kernel(call, file, location, start, stop, response)
    finally:
        if file is not None:
            os.close(file)
    return response


def _at_once(file: int, start: int, stop: int, response: web.StreamResponse) -> web.Response:
    data = os.pread(file, stop - start, start)
    if len(data) < stop - start:
        raise DataCorrupted("a blob is shorter than it was")
    return web.Response(status=response.status, headers=response.headers, body=data)


async def _in_pieces(call: Call, location: str, start: int, stop: int, response: web.StreamResponse) -> None:
    await send_pieces(call, call.registry.storage.read(location, start, stop), response)


async def send_pieces(call: Call, pieces: AsyncIterator[bytes], response: web.StreamResponse) -> web.StreamResponse:
    """Answer with ``pieces``, which are as long as ``response`` says. Raises what they raise."""
    async for piece in pieces:
        if not response.prepared:
            await _begin(call, response)
        try:
            async with asyncio.timeout(call.registry.settings.idle_timeout):
                await response.write(piece)
        except TimeoutError as error:
            raise _silent() from error
        call.sent += len(piece)
    if not response.prepared:
        await _begin(call, response)
    await response.write_eof()
    return response


async def _begin(call: Call, response: web.StreamResponse) -> None:
    response.headers.update(HEADERS)
    await response.prepare(call.request)
    call.began = True


async def _by_kernel(call: Call, file: int, location: str, start: int, stop: int, response: web.StreamResponse) -> None:
    await _begin(call, response)
    transport = call.request.transport
    if transport is None:
        raise ConnectionResetError("the client has gone")
    await _flushed(transport)
    socket = os.dup(transport.get_extra_info("socket").fileno())
    try:
        offset = await _turns(call, socket, file, start, stop)
    except TimeoutError as error:  # the kernel's own patience with a connection
        raise _silent() from error
    except OSError as error:
        if error.errno not in _CANNOT or call.sent:
            raise
        offset = start
    finally:
        os.close(socket)
    if offset < stop:
        await _in_pieces(call, location, offset, stop, response)
    else:
        await response.write_eof()


async def _flushed(transport: asyncio.WriteTransport) -> None:
    """The headers have left: what the kernel copies must not overtake them."""
    pause = 0.0
    while transport.get_write_buffer_size():
        if transport.is_closing():
            raise ConnectionResetError("the client has gone")
        await asyncio.sleep(pause)
        pause = min(pause + 0.001, 0.05)


async def _turns(call: Call, socket: int, file: int, start: int, stop: int) -> int:
    offset = start
    while offset < stop:
        reached, full = await hop(_THREADS, _turn, socket, file, offset, min(stop, offset + _TURN))
        call.sent += reached - offset
        offset = reached
        if full:
            await _writable(socket, call.registry.settings.idle_timeout)
    return offset


def _turn(socket: int, file: int, offset: int, stop: int) -> tuple[int, bool]:
    """Send until ``stop``, or until the client takes no more for a moment: how far, and whether its buffer is full."""
    waiting = select.poll()
    waiting.register(socket, select.POLLOUT)
    while offset < stop:
        try:
            sent = os.sendfile(socket, file, offset, min(stop - offset, _AT_ONCE))
        except BlockingIOError:
            if not waiting.poll(_PATIENCE_MS):
                return offset, True
            continue
        if not sent:
            raise DataCorrupted("a blob is shorter than it was")
        offset += sent
    return offset, False


async def _writable(socket: int, patience: int) -> None:
    loop = asyncio.get_running_loop()
    ready = loop.create_future()
    loop.add_writer(socket, lambda: None if ready.done() else ready.set_result(None))
    try:
        async with asyncio.timeout(patience):
            await ready
    except TimeoutError as error:
        raise _silent() from error
    finally:
        loop.remove_writer(socket)


def _silent() -> DeadlineExceeded:
    return DeadlineExceeded("the client has stopped reading")
