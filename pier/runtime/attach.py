"""A client's end of a supervisor's attach socket.

The supervisor writes every piece of output as one packet of a ``SOCK_SEQPACKET`` socket, first byte the stream
(2 standard output, 3 standard error), up to 8 KiB of data after it, and blocks while we do not read: so a slow
reader holds the container back and nothing is lost. Packets the other way go to standard input, at most 32 KiB
each (the rest of a longer one would be cut off). ``shutdown`` of our sending half ends the input, in order.
"""

import asyncio
import contextlib
import os
import socket
from pathlib import Path
from typing import Final

from pier.runtime.runtime import STDERR, STDOUT

_PACKET: Final = 8192 + 2
_INPUT: Final = 16384
_BATCH: Final = 256 * 1024
_STREAMS: Final = {2: STDOUT, 3: STDERR}


def connect(path: Path) -> socket.socket:
    """Connect to the socket at ``path``, whatever its length (by way of its folder's descriptor).

    ``FileNotFoundError`` or ``ConnectionRefusedError`` when there is no supervisor behind it.
    """
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            sock.setblocking(False)
            sock.connect(f"/proc/self/fd/{folder}/{path.name}")
        except BaseException:
            sock.close()
            raise
    finally:
        os.close(folder)
    return sock


class SocketStream:
    """An :class:`~pier.runtime.runtime.AttachStream` over a connected attach socket.

    The supervisor closes the container's input when any client leaves. A stream that ``lingers`` (it is not the
    one that gives input, and the input is to outlive it) therefore stays connected after ``close`` and throws
    away what it reads, until the container ends.
    """

    def __init__(self, sock: socket.socket, *, lingers: bool = False) -> None:
        self._socket = sock
        self._lingers = lingers
        self._loop = asyncio.get_running_loop()
        self._readable: asyncio.Future[None] | None = None
        self._pending: tuple[int, bytes] | None = None
        self._ended = False
        self._write_lock = asyncio.Lock()

    async def read(self) -> tuple[int, bytes] | None:
        """See the contract."""
        while not self._ended:
            batch = self._receive()
            if batch is not None:
                return batch
            if not self._ended:
                await self._wait_readable()
        pending, self._pending = self._pending, None
        return pending

    def _receive(self) -> tuple[int, bytes] | None:
        """What is there of one stream, without waiting; ``None`` when nothing is (or all has ended)."""
        pieces: list[bytes] = []
        stream, size = 0, 0
        if self._pending is not None:
            stream, data = self._pending
            self._pending = None
            pieces.append(data)
            size = len(data)
        while size < _BATCH:
            packet = self._packet()
            if not packet:
                break
            source = _STREAMS.get(packet[0], STDOUT)
            if stream not in (0, source):
                self._pending = (source, packet[1:])
                break
            stream = source
            pieces.append(packet[1:])
            size += len(packet) - 1
        return (stream, b"".join(pieces)) if pieces else None

    def _packet(self) -> bytes:
        """One packet, or nothing: then ``_ended`` tells whether there will be more."""
        try:
            packet = self._socket.recv(_PACKET)
        except (BlockingIOError, InterruptedError):
            return b""
        except OSError:  # reset: the supervisor has gone
            packet = b""
        if not packet:
            self._ended = True
        return packet

    async def _wait_readable(self) -> None:
        self._readable = self._loop.create_future()
        self._loop.add_reader(self._socket, self._wake)
        try:
            await self._readable
        finally:
            self._readable = None
            if self._socket.fileno() >= 0:
                self._loop.remove_reader(self._socket)

    def _wake(self) -> None:
        if self._readable is not None and not self._readable.done():
            self._readable.set_result(None)

    async def write(self, data: bytes) -> None:
        """See the contract."""
        async with self._write_lock:
            view = memoryview(data)
            while view:
                try:
                    await self._loop.sock_sendall(self._socket, view[:_INPUT])
                except OSError:  # ended, or input was closed: as with a closed pipe, who cares
                    return
                view = view[_INPUT:]

    def close_stdin(self) -> None:
        """See the contract."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """See the contract."""
        ended, self._ended = self._ended, True
        if self._socket.fileno() >= 0:
            self._loop.remove_reader(self._socket)
            if self._lingers and not ended:
                self._loop.add_reader(self._socket, self._discard)
            else:
                self._socket.close()
        self._wake()

    def _discard(self) -> None:
        try:
            going_on = self._socket.recv(_PACKET)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            going_on = b""
        if not going_on:
            self._loop.remove_reader(self._socket)
            self._socket.close()
