"""Work that nobody waits for, and that must be over before the daemon ends."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from pier.log import Logger

_log = Logger("pier.containers")


class Background:
    """A set of tasks: errors are logged, :meth:`drain` awaits them all."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def spawn(self, work: Coroutine[Any, Any, Any], what: str, **fields: Any) -> None:
        """Run ``work``; ``what`` and ``fields`` describe it in the log should it fail."""
        task = asyncio.get_running_loop().create_task(self._guard(work, what, fields))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    @staticmethod
    async def _guard(work: Coroutine[Any, Any, Any], what: str, fields: dict[str, Any]) -> None:
        try:
            await work
        except Exception:
            _log.exception(what, **fields)

    async def drain(self) -> None:
        """Wait until nothing is left, also of what is spawned meanwhile."""
        while self._tasks:
            await asyncio.wait(set(self._tasks))
