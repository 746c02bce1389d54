"""The client's end of a build's connection; ``pier/api/buildstream/frames.py`` says what goes over it."""

from __future__ import annotations

import sys
from _socket import AF_UNIX, SCM_RIGHTS, SOL_SOCKET

from pier.client.jsontext import decode, encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from pier.client.stream import Hijacked

HELLO = 1
ANSWER = 2
DATA = 3
END = 4
CREDIT = 5
CONTENT = 6
XATTRS = 8
ERROR = 7
EVENTS = 10
ASK = 11
RESULT = 12
FAILED = 13

WINDOW = 4 << 20
PIECE = 256 << 10
HEAD = 9
BEGINNING = b"\0"


def pack(kind: int, channel: int, payload: bytes = b"") -> bytes:
    return len(payload).to_bytes(4, "big") + bytes((kind,)) + channel.to_bytes(4, "big") + payload


def to_json(value: Any) -> bytes:
    """Names that are no UTF-8 go as the bytes that they are."""
    return encode(value).encode("utf-8", "surrogateescape")


def from_json(payload: bytes) -> Any:
    return decode(payload.decode("utf-8", "surrogateescape"))


class Link:
    """Sending blocks; the engine reads always, so that it never does for long."""

    def __init__(self, stream: Hijacked) -> None:
        self._stream = stream
        self._rest = b""

    def fileno(self) -> int:
        return self._stream.fileno()

    def begin(self, folders: list[int]) -> bool:
        """The first byte, with descriptors of folders. Whether they were sent; a relay may still lose them."""
        transport: Any = self._stream.transport
        if folders and hasattr(transport, "sendmsg") and transport.family == AF_UNIX:
            packed = b"".join(each.to_bytes(4, sys.byteorder) for each in folders)
            transport.sendmsg([BEGINNING], [(SOL_SOCKET, SCM_RIGHTS, packed)])
            return True
        transport.sendall(BEGINNING)
        return False

    def send(self, kind: int, channel: int, payload: bytes = b"") -> None:
        self._stream.transport.sendall(pack(kind, channel, payload))

    def answer(self, channel: int, value: Any) -> None:
        self.send(ANSWER, channel, to_json(value))

    def refuse(self, channel: int, kind: str, message: str) -> None:
        """Say that something asked for cannot be given; ``kind`` is one of ``pier.errors``."""
        self.send(ERROR, channel, to_json({"kind": kind, "message": message}))

    def receive(self) -> Iterator[tuple[int, int, bytes]]:
        """The frames that have come, at least the bytes of one read. ``ConnectionResetError`` at the end."""
        data = self._stream.receive()
        if not data:
            raise ConnectionResetError("unexpected EOF")
        data = self._rest + data if self._rest else data
        at = 0
        while len(data) - at >= HEAD:
            end = at + HEAD + int.from_bytes(data[at : at + 4], "big")
            if end > len(data):
                break
            yield data[at + 4], int.from_bytes(data[at + 5 : at + HEAD], "big"), data[at + HEAD : end]
            at = end
        self._rest = data[at:]

    def buffered(self) -> bool:
        """Whether :meth:`receive` has bytes that poll(2) does not know of."""
        return self._stream.buffered()

    def stop(self) -> None:
        """Send no more: the engine cancels the build, and still tells how it ends."""
        self._stream.close_write()

    def close(self) -> None:
        self._stream.close()
