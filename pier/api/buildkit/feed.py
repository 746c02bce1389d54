"""What a build has told of itself so far, for those who watch it."""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from pier.build.progress import Event, LogPiece, StatusState, VertexState

_MOST_LOGS: Final = 4096  # pieces that wait for somebody to watch
_PAUSE: Final = 0.02


class Feed:
    """Events in order, to one watcher or several. Who comes late is told the states, and the output that nobody has
    seen yet."""

    def __init__(self) -> None:
        self._states: dict[tuple[str, str], VertexState | StatusState] = {}
        self._unseen: list[Event] = []
        self._watchers: list[list[Event]] = []
        self._woken: list[asyncio.Event] = []
        self._closed = False

    def publish(self, event: Event) -> None:
        """A ``Progress``."""
        if isinstance(event, VertexState):
            self._states[event.id, ""] = event
        elif isinstance(event, StatusState):
            self._states[event.vertex, event.id] = event
        if not self._watchers:
            self._keep(event)
        for waiting in self._watchers:
            waiting.append(event)
        self._wake()

    def _keep(self, event: Event) -> None:
        if not isinstance(event, LogPiece) or len(self._unseen) < _MOST_LOGS:
            self._unseen.append(event)

    def close(self) -> None:
        """No more will come."""
        self._closed = True
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
                if self._closed and not waiting:
                    return
                await asyncio.sleep(_PAUSE)
        finally:
            self._watchers = [other for other in self._watchers if other is not waiting]
            self._woken.remove(woken)
