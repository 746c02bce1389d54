"""What a step writes, on its way to the progress."""

import time
from typing import Final

from pier.build.progress import LogPiece, Progress

_MOST: Final = 2 << 20
_CLIPPED: Final = b"\n[output clipped, log limit 2MiB reached]\n"
_TAIL: Final = 64 << 10


class StepLog:
    """Takes the output of one step. Past 2 MiB it is clipped, in BuildKit's words; a failed step shows its end."""

    def __init__(self, progress: Progress, vertex: str) -> None:
        self._progress = progress
        self._vertex = vertex
        self._left = _MOST
        self._tails: dict[int, bytearray] = {}

    def __call__(self, stream: int, data: bytes) -> None:
        """Streams as in LogPiece."""
        if self._left > 0:
            shown, data = data[: self._left], data[self._left :]
            self._left -= len(shown)
            self._tell(stream, shown)
            if not self._left:
                self._tell(2, _CLIPPED)
        if data:
            self._keep(stream, data)

    def failed(self) -> None:
        """Tell the last of what was cut off."""
        for stream, tail in self._tails.items():
            data = bytes(tail[-_TAIL:])
            self._tell(stream, data if len(tail) <= _TAIL else data[data.find(b"\n") + 1 :])
        self._tails.clear()

    def _keep(self, stream: int, data: bytes) -> None:
        tail = self._tails.setdefault(stream, bytearray())
        tail += data
        if len(tail) > 2 * _TAIL:
            del tail[: -_TAIL - 1]

    def _tell(self, stream: int, data: bytes) -> None:
        self._progress(LogPiece(self._vertex, stream, data, time.time_ns()))
