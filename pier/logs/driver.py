"""Reading what a container wrote (contract).

A reader returns the entries of a container's log in the order in which they were written, also across
rotated files and while the log is being rotated. Writing is not here: the container's supervisor writes.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol

STDOUT = 1
STDERR = 2


class LogEntry(NamedTuple):
    """One written piece. ``data`` ends with a newline unless ``partial``: then the line goes on in the next
    entry of the same stream. Concatenated, ``data`` is byte for byte what the container wrote."""

    stream: int
    time_ns: int
    data: bytes
    partial: bool


@dataclass(frozen=True, slots=True)
class LogQuery:
    """Which entries. Times in nanoseconds since 1970, both inclusive; ``tail``: the last n lines before
    ``follow`` begins, ``None`` for all."""

    stdout: bool = True
    stderr: bool = True
    since: int | None = None
    until: int | None = None
    tail: int | None = None
    follow: bool = False


class Ended(Protocol):
    """How a follower learns that nothing more will be written (an ``asyncio.Event`` is one)."""

    def is_set(self) -> bool: ...

    async def wait(self) -> object: ...


class LogReader(Protocol):
    """Reads one container's log."""

    def batches(self, query: LogQuery, ended: Ended | None = None) -> AsyncIterator[list[LogEntry]]:
        """Entries, a few thousand at a time, never an empty list. With ``follow`` the iterator ends when
        ``ended`` is set and all has been read, or at ``until``; it waits without polling."""

    def read(self, query: LogQuery, ended: Ended | None = None) -> AsyncIterator[LogEntry]:
        """The same one by one."""
