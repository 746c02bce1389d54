"""Work that comes round: collections, schedules, counts that are written down. Each is a loop of its own."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from pier.errors import PierError
from pier.log import Logger

_log: Final = Logger("pier.registry")


@dataclass(frozen=True, slots=True)
class Periodic:
    """``work`` is done ``every`` so many seconds, the first time after that. It may fail: the next time comes."""

    name: str
    every: float
    work: Callable[[], Awaitable[Any]]

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(self.every)
            try:
                await self.work()
            except PierError as error:
                _log.warning("periodic work failed", name=self.name, reason=error.message)
            except Exception:
                _log.exception("periodic work failed", name=self.name)
