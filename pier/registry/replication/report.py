"""How a replication goes, for whoever looks at its run."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

import msgspec

from pier.errors import DeadlineExceeded, NoSpace, PierError, Unauthorized, Unavailable
from pier.log import Logger
from pier.registry.deps import Registry
from pier.registry.model import Run
from pier.registry.threads import settled

_log: Final = Logger("pier.registry")
_LONGEST: Final = 64 << 10
"""Characters of a log that are kept: the last ones."""
_EVERY: Final = 5.0
_MOST_IN_A_ROW: Final = 3
TEMPORARY: Final = (Unavailable, DeadlineExceeded, NoSpace)
_BUSY: Final = "toomanyrequests"


class Ended(PierError):
    """Of what was to be done the rest was left, and that is noted."""


class Report:
    """Counts and lines of one attempt. ``run`` is what the records have, once :meth:`tell` was called.

    ``first`` says what failed first, ``temporary`` what may go well another time. ``quiet``: there need not be a run
    where nothing was to do.
    """

    def __init__(self, registry: Registry, run: Run, *, quiet: bool) -> None:
        self._registry = registry
        self.run = run
        self._quiet = quiet
        self._in_a_row = 0
        self.copied = self.present = self.deleted = self.failed = self.bytes = 0
        self.temporary = self.first = ""

    @property
    def note(self) -> str:
        deleted = f", {self.deleted} deleted" if self.deleted else ""
        failed = f", {self.failed} failed: {self.first}" if self.failed else ""
        return f"{self.copied} copied ({self.bytes} bytes), {self.present} there already{deleted}{failed}"

    def line(self, text: str) -> None:
        """Add to the log."""
        at = time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(self._registry.now()))
        log = f"{self.run.log}{at} {text}\n"
        if len(log) > _LONGEST:
            log = log[log.index("\n", len(log) - _LONGEST) + 1 :]
        self.run = msgspec.structs.replace(self.run, log=log)

    def went_well(self) -> None:
        self._in_a_row = 0

    def failure(self, what: str, error: PierError) -> None:
        """Note it."""
        self.failed += 1
        self.first = self.first or error.message
        if isinstance(error, TEMPORARY):
            self.temporary = self.temporary or error.message
        self.line(f"{what}: {error.message}")
        _log.warning("a replication failed", name=self.run.name, what=what, reason=error.message)

    def went_wrong(self, what: str, error: PierError) -> None:
        """Note it; the others go on. Raises Ended where they would fare the same: the registry is busy, or away."""
        self.failure(what, error)
        self._in_a_row += isinstance(error, (*TEMPORARY, Unauthorized))
        if self._in_a_row >= _MOST_IN_A_ROW or error.message.startswith(_BUSY):
            self.line("the rest was left: it would fare the same")
            raise Ended(error.message) from error

    async def tell(self, **changes: Any) -> None:
        """Write it down; nothing where there is nothing to tell, and nobody asked."""
        self.run = msgspec.structs.replace(self.run, **changes)
        if not self._quiet or self.run.log:
            await self._registry.records.put_run(self.run)

    @asynccontextmanager
    async def telling(self) -> AsyncIterator[None]:
        """Write down how it stands, now and then."""
        over = asyncio.Event()
        task = asyncio.create_task(self._tell_until(over))
        try:
            yield
        finally:
            over.set()
            await settled(task)

    async def _tell_until(self, over: asyncio.Event) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(_EVERY):
                    await over.wait()
                return
            self._quiet = False
            with suppress(PierError):
                await self.tell(state="running", note=self.note)

    async def end(self, state: str, note: str = "") -> None:
        """The attempt is over. What cannot be written down is lost: it is for looking at."""
        with suppress(PierError):
            ended = self._registry.now() if state in ("done", "failed") else 0
            await self.tell(state=state, note=note or self.note, ended=ended)
