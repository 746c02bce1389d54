"""A way past HTTP/2's machinery for the data of single streams: a context is tens of thousands of small messages.

What arrives is cut into frames here (RFC 9113, section 4.1). The data of a tapped stream goes to its tap; all other
frames go on to h2, which then knows nothing of that data: the tap itself tells the client that there is room for more.
"""

from collections.abc import Callable
from typing import Final, Protocol

_HEADER: Final = 9
_DATA: Final = 0
_WINDOW_UPDATE: Final = 8
_END_STREAM: Final = 0x1
_PADDED: Final = 0x8
_LARGEST: Final = 1 << 14  # of a frame, as nothing else was agreed on
_REFILL: Final = 1 << 20  # of a window of 4 MiB


class Tap(Protocol):
    def data(self, payload: bytes) -> None:
        """The next bytes of the stream."""


class Taps:
    """The taps of one connection. ``write`` sends bytes as they are."""

    def __init__(self, write: Callable[[bytes], None]) -> None:
        self._write = write
        self._taps: dict[int, Tap] = {}
        self._partial = b""
        self._owed: dict[int, int] = {}

    def add(self, stream: int, tap: Tap) -> None:
        self._taps[stream] = tap

    def remove(self, stream: int) -> None:
        del self._taps[stream]
        self._owed.pop(stream, None)

    def consumed(self, stream: int, size: int) -> None:
        """``size`` bytes of a tapped stream are dealt with."""
        owed = self._owed.get(stream, 0) + size
        if owed >= _REFILL:
            self._write(_window_update(stream, owed) + _window_update(0, owed))
            owed = 0
        self._owed[stream] = owed

    def sift(self, data: bytes) -> bytes:
        """Give tapped data to the taps; returns the frames that are for others."""
        data = self._partial + data
        start = at = 0
        rest = []
        while len(data) - at >= _HEADER:
            length = int.from_bytes(data[at : at + 3])
            end = at + _HEADER + length
            if end > len(data):
                if length > _LARGEST:
                    at = len(data)  # nonsense: h2 says so
                break
            tap = self._taps.get(int.from_bytes(data[at + 5 : at + 9]) & 0x7FFFFFFF)
            if tap is not None and data[at + 3] == _DATA and not data[at + 4] & _PADDED:
                rest.append(data[start:at])
                if data[at + 4] & _END_STREAM:
                    rest.append(b"\0\0\0\0" + data[at + 4 : at + _HEADER])
                tap.data(data[at + _HEADER : end])
                start = end
            at = end
        self._partial = data[at:]
        rest.append(data[start:at])
        return b"".join(rest)


def _window_update(stream: int, size: int) -> bytes:
    return b"\0\0\4" + bytes((_WINDOW_UPDATE, 0)) + stream.to_bytes(4) + size.to_bytes(4)
