"""Keeping the kernel ready to move processes between cgroups for as long as containers are being made."""

import asyncio
import contextlib
import time
from typing import Final

from pier.linux import cgroup

_HOLD_SECONDS: Final = 0.06


class Warmth:
    """See :func:`pier.linux.cgroup.warm`: its effect fades after some ten milliseconds, so it is repeated in a
    thread while ``extend`` keeps being called, and for sixty milliseconds after the last time."""

    def __init__(self, trees: cgroup.Hierarchies) -> None:
        self._trees = trees
        self._until = 0.0
        self._holder: asyncio.Future[None] | None = None

    def extend(self) -> None:
        """Containers are being made now, or in a moment. Returns at once."""
        self._until = time.monotonic() + _HOLD_SECONDS
        if self._holder is None or self._holder.done():
            self._holder = asyncio.get_running_loop().run_in_executor(None, self._hold)

    def _hold(self) -> None:
        cgroup.warm(self._trees, lambda: time.monotonic() >= self._until)

    async def close(self) -> None:
        """Stop."""
        self._until = 0.0
        if self._holder is not None:
            with contextlib.suppress(OSError):
                await self._holder
