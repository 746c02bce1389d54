"""The event bus: who did what to which object, for ``/events`` and for whoever inside wants to know.

``publish`` never blocks and never fails. The last :data:`RING` events are kept for ``since``. A subscriber
that does not keep up with :data:`BACKLOG` events is cut off (its iteration ends) rather than allowed to grow.
"""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Final

import msgspec

from pier.events.filters import NO_FILTERS, Filters
from pier.events.matching import matches

RING: Final = 1000
BACKLOG: Final = 4096


class Event(msgspec.Struct, frozen=True):
    """One thing that happened. ``type`` is container, image, volume, network, daemon...; ``action`` a verb."""

    type: str
    action: str
    actor_id: str
    attributes: dict[str, str]
    time_ns: int

    def to_api(self) -> dict[str, Any]:
        """The JSON object of ``/events``, with the fields that only old clients read."""
        message: dict[str, Any] = {}
        if self.type in ("container", "image"):
            message = {"status": self.action, "id": self.actor_id}
            if image := self.attributes.get("image"):
                message["from"] = image
        message.update(
            Type=self.type,
            Action=self.action,
            Actor={"ID": self.actor_id, "Attributes": self.attributes},
            scope="local",
            time=self.time_ns // 1_000_000_000,
            timeNano=self.time_ns,
        )
        return message


class Subscription(AsyncIterator[Event]):
    """Events from the moment of its creation on, old ones first; ends at ``until``, or when it fell behind.

    Close it (or leave its ``async with``) when it is no longer read.
    """

    def __init__(self, wanted: Callable[[Event], bool], replay: list[Event], until_ns: int | None) -> None:
        self._wanted = wanted
        self._queue: deque[Event] = deque(replay)
        self._until_ns = until_ns
        self._wake = asyncio.Event()
        self._ended = False

    def offer(self, event: Event) -> None:
        """Queue ``event`` when it is wanted (called by the bus, on the loop)."""
        if self._ended or not self._wanted(event):
            return
        if len(self._queue) >= BACKLOG:
            self._ended = True
        else:
            self._queue.append(event)
        self._wake.set()

    async def __anext__(self) -> Event:
        while not self._queue:
            if self._ended:
                raise StopAsyncIteration
            self._wake.clear()
            try:
                async with asyncio.timeout(self._remaining()):
                    await self._wake.wait()
            except TimeoutError:
                self._ended = True
        return self._queue.popleft()

    def _remaining(self) -> float | None:
        return None if self._until_ns is None else max(0.0, (self._until_ns - time.time_ns()) / 1e9)

    def clear(self) -> None:
        """Forget what is queued."""
        self._queue.clear()

    def close(self) -> None:
        """End the iteration once what is queued has been read; a second time is no error."""
        self._ended = True
        self._wake.set()

    @property
    def closed(self) -> bool:
        return self._ended

    async def __aenter__(self) -> "Subscription":
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()


class EventBus:
    """Created on the event loop's thread; ``publish`` may be called from any thread."""

    def __init__(self) -> None:
        self._ring: deque[Event] = deque(maxlen=RING)
        self._subscriptions: list[Subscription] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        with contextlib.suppress(RuntimeError):
            self._loop = asyncio.get_running_loop()

    def publish(self, type: str, action: str, actor_id: str, attributes: Mapping[str, str] | None = None) -> Event:
        """Record the event and hand it to the subscribers."""
        event = Event(type, action, actor_id, dict(attributes or {}), time.time_ns())
        if self._loop is None or self._on_loop():
            self._deliver(event)
        else:
            self._loop.call_soon_threadsafe(self._deliver, event)
        return event

    def _on_loop(self) -> bool:
        try:
            return asyncio.get_running_loop() is self._loop
        except RuntimeError:
            return False

    def _deliver(self, event: Event) -> None:
        self._ring.append(event)
        self._subscriptions = [each for each in self._subscriptions if not each.closed]
        for subscription in self._subscriptions:
            subscription.offer(event)

    def subscribe(
        self, since_ns: int | None = None, until_ns: int | None = None, filters: Filters = NO_FILTERS
    ) -> Subscription:
        """Subscribe now. ``since_ns`` replays what the ring still holds; ``until_ns`` ends the iteration."""

        def wanted(event: Event) -> bool:
            return (until_ns is None or event.time_ns <= until_ns) and matches(
                filters, event.type, event.action, event.actor_id, event.attributes
            )

        replay = [] if since_ns is None else [e for e in self._ring if e.time_ns >= since_ns and wanted(e)]
        subscription = Subscription(wanted, replay, until_ns)
        self._subscriptions.append(subscription)
        return subscription

    def close(self) -> None:
        """End every subscription (the daemon stops)."""
        for subscription in self._subscriptions:
            subscription.close()
