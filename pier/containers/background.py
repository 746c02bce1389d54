"""Work that nobody waits for, and that must be over before the daemon ends."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from pier.log import Logger

T = TypeVar("T")

_log = Logger("pier.containers")


class Background:
    """A set of tasks: errors are logged, :meth:`drain` awaits them all."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def spawn(self, work: Coroutine[Any, Any, Any], what: str, **fields: Any) -> asyncio.Task[None]:
        """Run ``work``; ``what`` and ``fields`` describe it in the log should it fail. The task never raises."""
        task = asyncio.get_running_loop().create_task(self._guard(work, what, fields))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def through(self, work: Coroutine[Any, Any, T]) -> T:
        """Await ``work``, which goes on to its end even when whoever awaits it is cancelled."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._settle)
        return await asyncio.shield(task)

    def _settle(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # seen, also where nobody waits any more

    @staticmethod
    async def _guard(work: Coroutine[Any, Any, Any], what: str, fields: dict[str, Any]) -> None:
        try:
            await work
        except Exception:
            _log.exception(f"{what} failed", **fields)

    async def drain(self) -> None:
        """Wait until nothing is left, also of what is spawned meanwhile."""
        while self._tasks:
            await asyncio.wait(set(self._tasks))
