"""The :class:`~pier.logs.driver.LogReader` of the files that the supervisor writes."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, Final, TypeVar

from pier.linux import inotify
from pier.logs import files, lines
from pier.logs.driver import Ended, LogEntry, LogQuery

_BLOCK: Final = 1 << 18
_NANO: Final = 1_000_000_000

Batch = TypeVar("Batch", list[LogEntry], bytes)


class CriLog:
    """The log at ``path`` and the files rotated from it. A log that is not there is empty."""

    def __init__(self, path: Path) -> None:
        self.path = path

    async def read(self, query: LogQuery, ended: Ended | None = None) -> AsyncIterator[LogEntry]:
        """See the contract."""
        async for batch in self.batches(query, ended):
            for entry in batch:
                yield entry

    async def batches(self, query: LogQuery, ended: Ended | None = None) -> AsyncIterator[list[LogEntry]]:
        """See the contract."""
        wanted = _selection(query)
        async for batch in self._blocks(query, ended, lambda block: lines.entries(block, wanted)):
            yield batch

    async def frames(
        self, query: LogQuery, ended: Ended | None = None, *, raw: bool = False, timestamps: bool = False
    ) -> AsyncIterator[bytes]:
        """The same, ready for the API: multiplexed frames, a few thousand in one piece, or ``raw`` content."""
        wanted = _selection(query)
        open_lines: set[int] = set()

        def render(block: bytes) -> tuple[bytes, bool]:
            return lines.frames(block, wanted, raw=raw, timestamps=timestamps, open_lines=open_lines)

        async for batch in self._blocks(query, ended, render):
            yield batch

    async def _blocks(
        self, query: LogQuery, ended: Ended | None, render: Callable[[bytes], tuple[Batch, bool]]
    ) -> AsyncIterator[Batch]:
        """``render`` every block of lines, in threads; until it says that the end was passed."""
        cursor = await asyncio.to_thread(_Cursor.open, self.path, query)
        waiter = _Waiter(self.path, query, ended) if query.follow else None
        try:
            while True:
                final = waiter is None or waiter.over()
                while (step := await asyncio.to_thread(cursor.step, render)) is not None:
                    batch, passed = step
                    if batch:
                        yield batch
                    if passed:
                        return
                if final or waiter is None:
                    return
                await waiter.wait()
        finally:
            cursor.close()
            if waiter is not None:
                waiter.close()


def read(path: Path, query: LogQuery, ended: Ended | None = None) -> AsyncIterator[LogEntry]:
    """The entries of the log at ``path``, one by one."""
    return CriLog(path).read(query, ended)


def _selection(query: LogQuery) -> lines.Selection:
    return lines.Selection(
        query.stdout,
        query.stderr,
        b"" if query.since is None else lines.stamp(query.since),
        b"" if query.until is None else lines.stamp(query.until),
    )


class _Cursor:
    """Where a reader is: in the first of the open files."""

    def __init__(self, path: Path, opened: list[files.LogFile]) -> None:
        self._path = path
        self._files = opened
        self._inode = 0

    @classmethod
    def open(cls, path: Path, query: LogQuery) -> "_Cursor":
        opened = files.open_files(path)
        if query.tail is not None:
            files.skip_to_tail(opened, query.tail, _selection(query))
        return cls(path, opened)

    def step(self, render: Callable[[bytes], tuple[Batch, bool]]) -> tuple[Batch, bool] | None:
        """Read and render one block; ``None`` when all that is written has been read."""
        while True:
            if self._files and (block := self._files[0].read(_BLOCK)):
                return render(block)
            if not self._advance():
                return None

    def _advance(self) -> bool:
        """Go to the next file; ``False`` when this one is the newest. It may have grown before it was rotated."""
        current = self._files[0] if self._files else None
        if len(self._files) < 2:
            self._files += files.newer(self._path, current.inode if current else 0)
        if current is None:
            return bool(self._files)
        if len(self._files) < 2:
            return False
        if current.offset < files.size(current):
            return True
        self._files.pop(0).close()
        return True

    def close(self) -> None:
        while self._files:
            self._files.pop().close()


class _Waiter:
    """Waits for more to be written, or for there to be no more."""

    def __init__(self, path: Path, query: LogQuery, ended: Ended | None) -> None:
        self._until = query.until
        self._ended = ended
        self._end = asyncio.ensure_future(ended.wait()) if ended is not None else None
        self._watch = inotify.Watch()
        self._watch.add(path.parent, inotify.MODIFY | inotify.MOVED_TO | inotify.CREATE | inotify.DELETE_SELF)

    def over(self) -> bool:
        """Nothing more will be written, or be wanted: what is there now is all."""
        return (self._ended is not None and self._ended.is_set()) or self._seconds_left() == 0

    def _seconds_left(self) -> float | None:
        return None if self._until is None else max(0.0, (self._until - time.time_ns()) / _NANO)

    async def wait(self) -> None:
        change = asyncio.ensure_future(self._watch.changed())
        awaited: set[asyncio.Future[Any]] = {change}
        if self._end is not None:
            awaited.add(self._end)
        try:
            await asyncio.wait(awaited, timeout=self._seconds_left(), return_when=asyncio.FIRST_COMPLETED)
        finally:
            change.cancel()

    def close(self) -> None:
        self._watch.close()
        if self._end is not None:
            self._end.cancel()
