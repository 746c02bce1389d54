"""What a build has told of itself so far, for those who watch it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Final

from pier.build.progress import Event, LogPiece, StatusState, VertexState

_MOST_WAITING: Final = 1 << 16  # events, for a watcher who does not keep up, or has not come yet
_PAUSE: Final = 0.02


class Feed:
    """Events in order, to one watcher or several. Who comes late is told the states, and the output that nobody has
    seen yet."""

    def __init__(self) -> None:
        self._states: dict[tuple[str, str], VertexState | StatusState] = {}
        self._unseen: list[Event] = []
        self._watchers: list[list[Event]] = []
        self._woken: list[asyncio.Event] = []
        self._closed = asyncio.Event()

    def publish(self, event: Event) -> None:
        """A ``Progress``."""
        if isinstance(event, VertexState):
            self._states[event.id, ""] = event
        elif isinstance(event, StatusState):
            self._states[event.vertex, event.id] = event
        if not self._watchers:
            _keep(self._unseen, event)
        for waiting in self._watchers:
            _keep(waiting, event)
        self._wake()

    def close(self) -> None:
        """No more will come."""
        self._closed.set()
        self._wake()

    def _wake(self) -> None:
        for woken in self._woken:
            woken.set()

    async def batches(self) -> AsyncIterator[list[Event]]:
        """Yield what has come since the last time, until the build ends; at most fifty times a second."""
        waiting: list[Event] = self._unseen or list(self._states.values())
        self._unseen = []
        woken = asyncio.Event()
        woken.set()
        self._watchers.append(waiting)
        self._woken.append(woken)
        try:
            while True:
                await woken.wait()
                woken.clear()
                batch = waiting[:]
                waiting.clear()
                if batch:
                    yield batch
                if self._closed.is_set() and not waiting:
                    return
                await self._pause()
        finally:
            self._watchers = [other for other in self._watchers if other is not waiting]
            self._woken.remove(woken)

    async def _pause(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(_PAUSE):
                await self._closed.wait()


def _keep(waiting: list[Event], event: Event) -> None:
    """Output that there is no room for is lost; states never are."""
    if len(waiting) < _MOST_WAITING or not isinstance(event, LogPiece):
        waiting.append(event)
