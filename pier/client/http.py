"""HTTP/1.1 as the Engine API needs it: keep-alive, chunks both ways, and upgrade to a raw stream."""

from __future__ import annotations

from select import POLLIN, poll

from pier.client.jsontext import decode
from pier.errors import Unavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    from pier.client.endpoint import Transport

PIECE = 65536
MAX_LINE = 65536


class Connection:
    """One stream to the daemon: requests one after another, each response read to its end before the next."""

    __slots__ = ("buffer", "transport")

    def __init__(self, transport: Transport) -> None:
        self.transport = transport
        self.buffer = b""

    def send(self, method: str, target: str, headers: dict[str, str], body: bytes) -> None:
        head = [f"{method} {target} HTTP/1.1\r\nHost: pier\r\nUser-Agent: pier\r\n"]
        head += [f"{name}: {value}\r\n" for name, value in headers.items()]
        if body or method in ("POST", "PUT"):
            head.append(f"Content-Length: {len(body)}\r\n")
        self.transport.sendall("".join(head).encode() + b"\r\n" + body)

    def send_pieces(self, method: str, target: str, headers: dict[str, str], pieces: Iterable[bytes]) -> None:
        """A request with a chunked body. A server that refuses it early ends it: the connection is spent then.

        What it says while it takes the body (the progress of a load) is kept for the response.
        """
        head = [f"{method} {target} HTTP/1.1\r\nHost: pier\r\nUser-Agent: pier\r\nTransfer-Encoding: chunked\r\n"]
        head += [f"{name}: {value}\r\n" for name, value in headers.items()]
        try:
            self.transport.sendall("".join(head).encode() + b"\r\n")
            for piece in pieces:
                if self.stale() and self._ended_early():
                    return
                if piece:
                    self.transport.sendall(b"%x\r\n%b\r\n" % (len(piece), piece))
            self.transport.sendall(b"0\r\n\r\n")
        except (BrokenPipeError, ConnectionResetError):
            return

    def _ended_early(self) -> bool:
        """Take in what waits to be read. Whether it is the end, or a refusal."""
        data = self.transport.recv(PIECE)
        self.buffer += data
        status = self.buffer[len(b"HTTP/1.1 ") :][:1]
        return not data or status in (b"4", b"5")

    def response(self, method: str) -> Response:
        """The next response's head; its body is read through the :class:`Response`."""
        status_line = self.line()
        parts = status_line.split(b" ", 2)
        if len(parts) < 2 or not parts[0].startswith(b"HTTP/1.") or not parts[1].isdigit():
            raise Unavailable(f"the daemon does not speak HTTP: {status_line[:80]!r}")
        headers: dict[str, str] = {}
        while line := self.line():
            name, _, value = line.partition(b":")
            headers[name.decode("latin-1").lower()] = value.strip().decode("latin-1")
        return Response(self, int(parts[1]), headers, method)

    def line(self) -> bytes:
        while (end := self.buffer.find(b"\r\n")) < 0:
            if len(self.buffer) > MAX_LINE:
                raise Unavailable("the daemon's answer has an endless line")
            self.buffer += self._receive()
        line, self.buffer = self.buffer[:end], self.buffer[end + 2 :]
        return line

    def some(self, limit: int) -> bytes:
        """Between 1 and ``limit`` bytes; empty only at the end of the stream."""
        if not self.buffer:
            return self.transport.recv(min(limit, PIECE))
        data, self.buffer = self.buffer[:limit], self.buffer[limit:]
        return data

    def _receive(self) -> bytes:
        data = self.transport.recv(PIECE)
        if not data:
            raise ConnectionResetError("the daemon closed the connection")
        return data

    def stale(self) -> bool:
        """Whether something waits to be read: between requests that can only be the other side's good-bye."""
        watch = poll()
        watch.register(self.transport.fileno(), POLLIN)
        return bool(watch.poll(0))

    def close(self) -> None:
        self.transport.close()


class Response:
    """A response's head, and its body exactly once: :meth:`read`, :meth:`pieces` or :meth:`messages`."""

    __slots__ = ("chunked", "connection", "done", "headers", "length", "status")

    def __init__(self, connection: Connection, status: int, headers: dict[str, str], method: str) -> None:
        self.connection = connection
        self.status = status
        self.headers = headers
        self.chunked = "chunked" in headers.get("transfer-encoding", "")
        length = headers.get("content-length")
        self.length = int(length) if length is not None and length.isdigit() else -1
        self.done = method == "HEAD" or status in (204, 304) or status < 200 or self.length == 0

    @property
    def reusable(self) -> bool:
        """Whether the connection can carry the next request."""
        return self.done and self.headers.get("connection", "").lower() != "close"

    def pieces(self) -> Iterator[bytes]:
        """The body as it arrives. ``ConnectionResetError`` when it ends early."""
        if self.done:
            return
        if self.chunked:
            yield from self._chunks()
        elif self.length >= 0:
            yield from self._counted(self.length)
        else:
            while data := self.connection.some(PIECE):
                yield data
            self.headers["connection"] = "close"
        self.done = True

    def _chunks(self) -> Iterator[bytes]:
        connection = self.connection
        while size := int(connection.line().split(b";")[0], 16):
            yield from self._counted(size)
            connection.line()
        while connection.line():
            pass

    def _counted(self, size: int) -> Iterator[bytes]:
        while size:
            data = self.connection.some(size)
            if not data:
                raise ConnectionResetError("unexpected EOF")
            size -= len(data)
            yield data

    def read(self) -> bytes:
        return b"".join(self.pieces())

    def messages(self) -> Iterator[Any]:
        """The body as a stream of JSON values, one a line."""
        rest = b""
        for piece in self.pieces():
            *lines, rest = (rest + piece).split(b"\n")
            for line in lines:
                if line.strip():
                    yield decode(line.decode(errors="replace"))
        if rest.strip():
            yield decode(rest.decode(errors="replace"))

    def close(self) -> None:
        """Give up a body that nobody wants to the end."""
        self.connection.close()
