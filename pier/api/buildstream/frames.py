"""What goes over the wire of a build (pure).

A frame is nine bytes and a payload: the payload's length (4, big-endian), what it is (1), the channel (4). Channel 0
is the build itself; the engine opens another for each thing that it asks the client for, and closes it with END.

From the client: HELLO once (JSON: ``request``, ``folders``, ``uploads``, ``secrets``, ``ssh``), then on the channels
ANSWER (JSON), DATA, CONTENT (the number of a file in 4 bytes, and more of its bytes; none: that was all), XATTRS (the
number of a file, and extended attributes as JSON), END, ERROR (JSON: ``kind``, ``message``). From the engine: EVENTS (a
JSON list of what ``build/progress.py`` has), ASK (JSON, ``what`` and its details), DATA, END, CREDIT (how many more
payload bytes the client may send there, 4 bytes), at last RESULT or FAILED. A client that stops sending, or goes,
cancels its build.

A shell's ANSWER is the size of its terminal: height and width, 2 bytes each.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

from pier.errors import InvalidArgument

HELLO: Final = 1
ANSWER: Final = 2
DATA: Final = 3
END: Final = 4
CREDIT: Final = 5
CONTENT: Final = 6
XATTRS: Final = 8
ERROR: Final = 7
EVENTS: Final = 10
ASK: Final = 11
RESULT: Final = 12
FAILED: Final = 13

WINDOW: Final = 4 << 20
"""Payload bytes that the client may send on a channel before it was given credit; the last frame may pass it."""

LONGEST: Final = 8 << 20
_HEAD: Final = 9


class Frame(NamedTuple):
    kind: int
    channel: int
    payload: bytes


def pack(kind: int, channel: int, payload: bytes = b"") -> bytes:
    return len(payload).to_bytes(4, "big") + bytes((kind,)) + channel.to_bytes(4, "big") + payload


class Splitter:
    """Takes bytes as they come, gives whole frames. Raises InvalidArgument for a frame that is too long."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> Iterator[Frame]:
        rest = self._rest
        rest += data
        at = 0
        try:
            while len(rest) - at >= _HEAD:
                length = int.from_bytes(rest[at : at + 4], "big")
                if length > LONGEST:
                    raise InvalidArgument(f"a frame of {length} bytes: at most {LONGEST} are allowed")
                begin = at + _HEAD
                if len(rest) < begin + length:
                    break
                frame = Frame(
                    rest[at + 4], int.from_bytes(rest[at + 5 : begin], "big"), bytes(rest[begin : begin + length])
                )
                at = begin + length
                yield frame
        finally:
            del rest[:at]
