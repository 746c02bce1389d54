"""``logs``: what a container has written, and goes on to write."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pier.containers.container import Container
from pier.containers.deps import Deps
from pier.containers.stdio import log_limits
from pier.errors import InvalidArgument, PierError, Unsupported
from pier.log import Logger
from pier.logs.cri import CriLog
from pier.logs.driver import STDERR, STDOUT, Ended, LogEntry, LogQuery
from pier.logs.rotate import Limits, rotate
from pier.runtime.runtime import Runtime, Supervised

_SETTLED_AFTER: Final = 0.25
_logger = Logger("pier.containers")


@dataclass(frozen=True, slots=True)
class Logs:
    """A log to be read once. ``tty``: send the bytes raw, else multiplexed. Ends with the log, or the container."""

    tty: bool
    log: CriLog
    query: LogQuery
    ended: Ended | None

    @property
    def batches(self) -> AsyncIterator[list[LogEntry]]:
        """Entries, a few thousand at a time."""
        return self.log.batches(self.query, self.ended)

    def frames(self, *, timestamps: bool = False) -> AsyncIterator[bytes]:
        """The same as the API sends it: frames, or raw bytes with a terminal."""
        return self.log.frames(self.query, self.ended, raw=self.tty, timestamps=timestamps)


async def logs(deps: Deps, reference: str, query: LogQuery) -> Logs:
    """Read the log. InvalidArgument ``Bad parameters: you must choose at least one stream``."""
    if not (query.stdout or query.stderr):
        raise InvalidArgument("Bad parameters: you must choose at least one stream")
    live = deps.registry.find(reference)
    if live.record.host_config.log_config.type == "none":
        raise Unsupported("configured logging driver does not support reading")
    return Logs(live.record.config.tty, _log(deps, live.record), query, live.ended if query.follow else None)


async def replay(
    deps: Deps, record: Container, wanted: frozenset[int], until_ns: int
) -> AsyncIterator[tuple[int, bytes]]:
    """What was written on the ``wanted`` streams until then, for an attachment that asks for it."""
    if record.host_config.log_config.type == "none":
        return
    query = LogQuery(stdout=STDOUT in wanted, stderr=STDERR in wanted, until=until_ns)
    async for batch in _log(deps, record).batches(query):
        for entry in batch:
            yield entry.stream, entry.data


def keep_log_small(deps: Deps, record: Container, sup: Supervised) -> asyncio.Task[None] | None:
    """Rotate the log while the process runs, in a task to be cancelled at its end; None: there is nothing to do."""
    limits = log_limits(deps, record)
    if limits is None:
        return None
    return asyncio.get_running_loop().create_task(_rotate(deps.log_path(record.id), limits, deps.runtime, sup))


async def _rotate(path: Path, limits: Limits, runtime: Runtime, sup: Supervised) -> None:
    """The supervisor's own cap holds before this begins, and where it fails. Most containers end sooner."""
    await asyncio.sleep(_SETTLED_AFTER)
    try:
        await rotate(path, limits, lambda: runtime.reopen_log(sup))
    except (PierError, OSError) as error:
        _logger.warning("log rotation", log=path, error=error)


def _log(deps: Deps, record: Container) -> CriLog:
    return CriLog(deps.log_path(record.id))
