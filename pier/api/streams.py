"""Raw byte streams over a connection that was taken from HTTP, and Docker's framing of two streams in one.

A frame is eight bytes of header and a payload: the stream (1 output, 2 errors), three zeroes, and the
payload's length, big-endian. A container with a terminal has one stream, unframed.
"""

import asyncio
import socket
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Any, Final, Protocol, cast

from aiohttp import web

from pier.api.call import Call
from pier.api.server import UPGRADE, Connection
from pier.linux.peers import HangupWatch, await_read

RAW: Final = "application/vnd.docker.raw-stream"
MULTIPLEXED: Final = "application/vnd.docker.multiplexed-stream"
_READ_AHEAD: Final = 256 << 10
_LINGER: Final = 2.0
_HEAD_PATIENCE: Final = 1.0


def frame(stream: int, data: bytes) -> bytes:
    return bytes((stream, 0, 0, 0)) + len(data).to_bytes(4, "big") + data


def media_type(call: Call, tty: bool) -> str:
    """What Docker calls the stream; before 1.42 it did not tell the two apart."""
    return RAW if tty or call.version < (1, 42) else MULTIPLEXED


class RawStream(asyncio.Protocol):
    """Both directions of a connection, with back-pressure, and half-close from either side.

    Reading stops at 256 KiB that nobody has asked for; writing waits while the kernel's buffer is full.
    """

    def __init__(self, transport: asyncio.Transport, was_lost: Callable[[BaseException | None], None]) -> None:
        self._transport = transport
        self._was_lost = was_lost
        self._incoming: deque[bytes] = deque()
        self._held = 0
        self._reading_paused = False
        self._ended = False
        self._arrived = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()
        self._hangup: HangupWatch | None = None
        self._answered = False
        self._callbacks: list[Callable[[], Any]] = []
        self.lost = False
        """The connection is gone, in both directions."""

    # What the transport calls.

    def data_received(self, data: bytes) -> None:
        self._incoming.append(data)
        self._held += len(data)
        self._arrived.set()
        if self._held >= _READ_AHEAD and not self._reading_paused:
            self._reading_paused = True
            self._transport.pause_reading()

    def eof_received(self) -> bool:
        self._ended = True
        self._arrived.set()
        self._hangup = self._hangup or HangupWatch(self._transport, self._transport.abort)
        return True

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def connection_lost(self, exc: BaseException | None) -> None:
        self._ended = True
        self._arrived.set()
        self._writable.set()
        self.lost = True
        if self._hangup is not None:
            self._hangup.close()
        self._was_lost(exc)
        for callback in self._callbacks:
            callback()

    # What the handlers call.

    async def read(self) -> bytes:
        """Return what has arrived, or ``b""`` once the client has sent all it will send."""
        while not self._incoming:
            if self._ended:
                return b""
            self._arrived.clear()
            await self._arrived.wait()
        data = b"".join(self._incoming)
        self._incoming.clear()
        self._held = 0
        if self._reading_paused and not self.lost:
            self._reading_paused = False
            self._transport.resume_reading()
        return data

    async def write(self, data: bytes) -> None:
        """Send ``data``. Raises ConnectionResetError when the client has gone.

        The first bytes wait until the client has read the answer's head: docker-py loses what it reads with it.
        """
        if not self._answered:
            self._answered = True
            await await_read(self._transport, _HEAD_PATIENCE)
        if not self._writable.is_set():
            await self._writable.wait()
        if self.lost or self._transport.is_closing():
            raise ConnectionResetError("the client has gone")
        self._transport.write(data)

    def hold(self) -> int | None:
        """Read nothing more from a unix socket until :meth:`resume`, and say its descriptor. None: it is another."""
        found = self._transport.get_extra_info("socket")
        if found is None or found.family != socket.AF_UNIX or self._incoming or self.lost:
            return None
        self._transport.pause_reading()
        descriptor: int = found.fileno()
        return descriptor

    def resume(self) -> None:
        if not self.lost:
            self._transport.resume_reading()

    def release(self) -> tuple[asyncio.Transport, bytes]:
        """Give the connection to another protocol, with what has arrived; the end is still told to this one.

        Raises ConnectionResetError where the client has said that it will send no more.
        """
        if self._ended:
            self._transport.close()
            raise ConnectionResetError("the client has gone")
        arrived = b"".join(self._incoming)
        self._incoming.clear()
        if self._reading_paused:
            self._transport.resume_reading()
        return self._transport, arrived

    def on_lost(self, callback: Callable[[], Any]) -> None:
        self._callbacks.append(callback)

    def close(self) -> None:
        """Close now; what was written still goes out."""
        self._transport.close()

    async def finish(self) -> None:
        """Say that no more will come, give the client a moment to hang up, and close.

        Closing a unix socket on unread input resets it, and the client would lose the end of the output.
        """
        if self._transport.can_write_eof() and not self.lost:
            self._transport.write_eof()
            try:
                async with asyncio.timeout(_LINGER):
                    while await self.read():
                        pass
            except TimeoutError:
                pass
        self._transport.close()


class Taken(web.StreamResponse):
    """Stands for a response that went out on a hijacked connection: aiohttp has nothing left to send."""

    async def prepare(self, request: web.BaseRequest) -> None:
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        return None

    @property
    def prepared(self) -> bool:
        return True

    @property
    def keep_alive(self) -> bool | None:
        return False


def hijack(call: Call, content_type: str) -> RawStream:
    """Answer 101 (200 where no upgrade was asked for) and take the connection; the handler returns ``Taken()``.

    What came in together with the request is the first thing to be read. Raises ConnectionResetError.
    """
    connection = cast(Connection, call.request.protocol)
    transport = call.request.transport
    if transport is None or transport.is_closing():
        raise ConnectionResetError("the client has gone")
    stream = RawStream(transport, connection.connection_lost)
    transport.write(_head(call, content_type))
    transport.set_protocol(stream)
    if already := connection.take():
        stream.data_received(already)
    if connection.half_closed:
        stream.eof_received()
    return stream


def _head(call: Call, content_type: str) -> bytes:
    protocol = call.request.headers.get(UPGRADE, "none")
    if protocol == "none":
        lines = ["HTTP/1.1 200 OK", f"Content-Type: {RAW}"]
    else:
        lines = ["HTTP/1.1 101 UPGRADED", f"Content-Type: {content_type}", "Connection: Upgrade"]
        lines.append(f"Upgrade: {protocol}")
    lines += [f"{name}: {value}" for name, value in call.services.system.headers().items()]
    return "\r\n".join([*lines, "", ""]).encode()


class Duplex(Protocol):
    """What a container's or a process's attached stdio offers (see ``containers.attach``)."""

    def __aiter__(self) -> AsyncIterator[tuple[int, bytes]]:
        """Yield ``(1 | 2, data)`` in order until both streams end."""

    async def write(self, data: bytes) -> None: ...

    async def close_stdin(self) -> None: ...

    async def close(self) -> None: ...


async def pump(stream: RawStream, stdio: Duplex, *, tty: bool) -> None:
    """Carry both directions until the output ends or the client has gone; closes both."""
    output = asyncio.ensure_future(_carry_output(stream, stdio, tty))
    input = asyncio.ensure_future(_carry_input(stream, stdio))
    stream.on_lost(output.cancel)
    try:
        await output
        input.cancel()
        await asyncio.wait([input])
        await stream.finish()
    except ConnectionError:
        pass
    except asyncio.CancelledError:
        # The client has gone, or the daemon stops: the container goes on without us.
        if not stream.lost:
            raise
    finally:
        output.cancel()
        input.cancel()
        stream.close()
        await stdio.close()


async def _carry_output(stream: RawStream, stdio: Duplex, tty: bool) -> None:
    async for number, data in stdio:
        await stream.write(data if tty else frame(number, data))


async def _carry_input(stream: RawStream, stdio: Duplex) -> None:
    try:
        while data := await stream.read():
            await stdio.write(data)
        await stdio.close_stdin()
    except ConnectionError:
        # The process has closed its input. What the client still sends is dropped, as in a pipe.
        while await stream.read():
            pass
