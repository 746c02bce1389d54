"""Executions under way, by cache key: builds that need the same step at the same time share one run of it.

The first to need it leads: the step runs with its session. Others join, see what was logged so far, and then the rest.
Whoever is cancelled leaves; when the last has left the step is cancelled. A step that needs the leader's own folder or
agent cannot go on without the leader: then those who joined run it themselves.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from typing import Final

import msgspec

from pier.build.graph import Rootfs
from pier.build.progress import Event, LogPiece, Progress, StatusState, VertexState
from pier.errors import Cancelled, Forbidden, NotFound, Unauthorized

_REPLAYED: Final = 256 * 1024
_OWN: Final = (Cancelled, Forbidden, NotFound, Unauthorized)

Work = Callable[[Progress, ExitStack], Awaitable[Rootfs]]
"""Runs the step, and tells a state of its vertex when it starts. What the stack is given (pins) lasts until all who
wait have the result."""


class Listener(msgspec.Struct, frozen=True):
    """Whom a flight tells: events are rewritten to be of ``vertex``. ``begun`` is told when the step started.

    ``progress`` is None for one whose build sees the log elsewhere.
    """

    vertex: str
    begun: Callable[[int], None]
    progress: Progress | None

    def tell(self, event: Event) -> None:
        if isinstance(event, VertexState):
            self.begun(event.started)
        elif self.progress is not None:
            self.progress(msgspec.structs.replace(event, vertex=self.vertex))


class _Past:
    """What a flight has told so far: the newest of each status, and the last bytes of the log."""

    def __init__(self) -> None:
        self._begun: list[Event] = []
        self._statuses: dict[str, StatusState] = {}
        self._log: list[LogPiece] = []
        self._bytes = 0

    def add(self, event: Event) -> None:
        if isinstance(event, VertexState):
            self._begun = [event]
        elif isinstance(event, StatusState):
            self._statuses[event.id] = event
        elif isinstance(event, LogPiece):
            self._log.append(event)
            self._bytes += len(event.data)
            if self._bytes > 2 * _REPLAYED:
                self._shorten()

    def _shorten(self) -> None:
        while self._bytes > _REPLAYED and len(self._log) > 1:
            self._bytes -= len(self._log.pop(0).data)

    def events(self) -> list[Event]:
        return [*self._begun, *self._statuses.values(), *self._log]


class _Flight:
    def __init__(self, work: Work) -> None:
        self.users = 0
        self.abandoned = False
        self.listeners: list[Listener] = []
        self.past = _Past()
        self.stack = ExitStack()
        self.task = asyncio.ensure_future(work(self.tell, self.stack))

    def tell(self, event: Event) -> None:
        self.past.add(event)
        for listener in self.listeners:
            listener.tell(event)

    async def cancel(self) -> None:
        """Returns when nothing of it runs any more, however often we are cancelled meanwhile."""
        self.abandoned = True
        self.task.cancel()
        while not self.task.done():
            try:
                await asyncio.wait({self.task})
            except asyncio.CancelledError:
                continue


class Flights:
    """All executions of a process. For one event loop."""

    def __init__(self) -> None:
        self._under_way: dict[str, _Flight] = {}
        self._slots: asyncio.Semaphore | None = None
        self._closed = False

    def slots(self, parallelism: int) -> asyncio.Semaphore:
        """Bounds how many steps run at once, over all builds. The first call decides."""
        if self._slots is None:
            self._slots = asyncio.Semaphore(max(parallelism, 1))
        return self._slots

    async def fly(self, key: str, work: Work, listener: Listener, *, movable: bool) -> Rootfs:
        """The result of ``work``, or of the same work that is under way. Raises what it raises.

        ``movable``: it can go on when the leader has gone. Pin the result before awaiting anything.
        """
        while not self._closed:
            flight = self._under_way.get(key)
            leads = flight is None
            if flight is None:
                flight = self._under_way[key] = _Flight(work)
            try:
                await self._attend(key, flight, listener, leads and not movable)
                if not flight.task.cancelled() and (leads or not _leaders_own(flight)):
                    return flight.task.result()
            finally:
                self._leave(key, flight)
        raise Cancelled("the daemon is stopping")

    async def close(self) -> None:
        """Cancel all; whoever waits, or comes later, gets Cancelled."""
        self._closed = True
        for key, flight in list(self._under_way.items()):
            self._forget(key, flight)
            await flight.cancel()

    async def _attend(self, key: str, flight: _Flight, listener: Listener, needed: bool) -> None:
        flight.users += 1
        for event in flight.past.events():
            listener.tell(event)
        flight.listeners.append(listener)
        try:
            await asyncio.wait({flight.task})
        except asyncio.CancelledError:
            if needed or flight.users == 1:
                self._forget(key, flight)
                await flight.cancel()
            raise
        finally:
            flight.listeners.remove(listener)

    def _leave(self, key: str, flight: _Flight) -> None:
        flight.users -= 1
        if flight.task.done():
            self._forget(key, flight)
        if not flight.users:
            flight.stack.close()
            if not flight.task.cancelled():
                flight.task.exception()

    def _forget(self, key: str, flight: _Flight) -> None:
        if self._under_way.get(key) is flight:
            del self._under_way[key]


def _leaders_own(flight: _Flight) -> bool:
    """Whether it ended for a reason of the leader's: its end, a secret that it has not, something it may not do."""
    if flight.abandoned or flight.task.cancelled():
        return True
    return isinstance(flight.task.exception(), _OWN)
