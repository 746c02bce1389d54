"""``logs``: what a container has written, and goes on to write."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from pier.containers.deps import Deps
from pier.logs.driver import LogEntry, LogQuery


@dataclass(frozen=True, slots=True)
class Logs:
    """``tty``: send the bytes raw, else multiplexed. ``entries`` ends with the log, or with the container."""

    tty: bool
    entries: AsyncIterator[LogEntry]


async def logs(deps: Deps, reference: str, query: LogQuery) -> Logs:
    """Read the log. InvalidArgument ``Bad parameters: you must choose at least one stream``."""
    raise AssertionError
