"""One question for all who ask it at the same time."""

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Flights(Generic[T]):
    """Answers are shared while they come, and forgotten then."""

    def __init__(self) -> None:
        self._going: dict[Hashable, asyncio.Task[T]] = {}

    async def join(self, key: Hashable, ask: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """What ``ask`` gives or raises; it goes on for the others where one of them is cancelled."""
        task = self._going.get(key)
        if task is None:
            task = self._going[key] = asyncio.create_task(ask())
            task.add_done_callback(lambda ended: self._land(key, ended))
        return await asyncio.shield(task)

    def _land(self, key: Hashable, task: asyncio.Task[T]) -> None:
        del self._going[key]
        if not task.cancelled():
            task.exception()  # who asked may have gone

    async def stop(self) -> None:
        going = list(self._going.values())
        for task in going:
            task.cancel()
        await asyncio.gather(*going, return_exceptions=True)
