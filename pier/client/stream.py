"""A hijacked connection: what attach and exec turn an HTTP request into.

With a terminal the bytes are raw; without, each piece of output has an 8-byte head: stream
(1 output, 2 error), three zeros, and the length, big-endian. Input is always raw.
"""

from __future__ import annotations

from _socket import SHUT_WR

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pier.client.http import Connection

STDIN = 0
STDOUT = 1
STDERR = 2
PIECE = 1 << 18


class Hijacked:
    """Both directions of a hijacked connection."""

    __slots__ = ("_first", "transport")

    def __init__(self, connection: Connection) -> None:
        self.transport = connection.transport
        self._first = connection.buffer

    def fileno(self) -> int:
        return self.transport.fileno()

    def receive(self) -> bytes:
        """What is there; empty at the end. A connection reset counts as the end."""
        if self._first:
            data, self._first = self._first, b""
            return data
        try:
            return self.transport.recv(PIECE)
        except ConnectionResetError:
            return b""

    def buffered(self) -> bool:
        """Whether :meth:`receive` has bytes that poll(2) does not know of."""
        pending = getattr(self.transport, "pending", None)
        return bool(self._first) or (pending is not None and pending())

    def send(self, data: bytes | memoryview) -> int:
        return self.transport.send(data)

    def close_write(self) -> None:
        try:
            self.transport.shutdown(SHUT_WR)
        except OSError:  # the other side has gone already
            return

    def close(self) -> None:
        self.transport.close()


class Demultiplexer:
    """Takes framed bytes as they come; gives back pieces per stream, neighbours of one stream joined."""

    __slots__ = ("_left", "_rest", "_stream")

    def __init__(self) -> None:
        self._rest = b""
        self._stream = STDOUT
        self._left = 0

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """The payloads in ``data``, in order. A payload is passed on as it comes, also when its frame is not whole."""
        if self._rest:
            data = self._rest + data
            self._rest = b""
        out: list[tuple[int, bytes]] = []
        parts: list[bytes] = []
        stream = self._stream
        position = min(self._left, len(data))
        if position:
            parts.append(data[:position])
            self._left -= position
        size = len(data)
        while position < size:
            body = position + 8
            if body > size:
                self._rest = data[position:]
                break
            if data[position] != stream:
                if parts:
                    out.append((stream, b"".join(parts)))
                    parts = []
                stream = data[position]
            end = body + int.from_bytes(data[position + 4 : body], "big")
            parts.append(data[body:end])
            position = end
            if end > size:
                self._left = end - size
        if parts:
            out.append((stream, b"".join(parts)))
        self._stream = stream
        return out
