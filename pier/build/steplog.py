"""What a step writes, on its way to the progress."""

import time
from typing import Final

from pier.build.progress import LogPiece, Progress

_MOST: Final = 32 * 1024 * 1024


class StepLog:
    """Takes the output of one step; past 32 MiB it is cut off, with BuildKit's words."""

    def __init__(self, progress: Progress, vertex: str) -> None:
        self._progress = progress
        self._vertex = vertex
        self._left = _MOST

    def __call__(self, stream: int, data: bytes) -> None:
        if self._left <= 0:
            return
        self._tell(stream, data[: self._left])
        self._left -= len(data)
        if self._left <= 0:
            self._tell(2, b"\n[output clipped, log limit 32MiB reached]\n")

    def _tell(self, stream: int, data: bytes) -> None:
        self._progress(LogPiece(self._vertex, stream, data, time.time_ns()))
