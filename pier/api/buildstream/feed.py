"""What a build tells of itself, on its way to the client: many events in a frame, and never too many held."""

import asyncio
from typing import Final

import msgspec

from pier.api.buildstream.frames import EVENTS
from pier.api.buildstream.link import Link
from pier.build.progress import Event, LogPiece, StatusState

_MOST_OUTPUT: Final = 16 << 20
_BATCH: Final = 512
_CLIPPED: Final = b"\n[output clipped: the client does not keep up]\n"


class Feed:
    """``publish`` is the build's :data:`Progress`; ``run`` sends until it is cancelled, ``flush`` the rest.

    For a client that reads slowly, states of one thing are told once, and output over 16 MiB is left out.
    """

    def __init__(self, link: Link) -> None:
        self._link = link
        self._waiting: list[Event] = []
        self._places: dict[tuple[str, str], int] = {}
        self._output = 0
        self._arrived = asyncio.Event()

    def publish(self, event: Event) -> None:
        self._arrived.set()
        if isinstance(event, StatusState):
            key = (event.vertex, event.id)
            place = self._places.setdefault(key, len(self._waiting))
            if place < len(self._waiting):
                self._waiting[place] = event
                return
        elif isinstance(event, LogPiece):
            if self._output > _MOST_OUTPUT:
                return
            self._output += len(event.data)
            if self._output > _MOST_OUTPUT:
                event = msgspec.structs.replace(event, data=_CLIPPED)
        self._waiting.append(event)

    async def run(self) -> None:
        while True:
            await self._arrived.wait()
            await self.flush()

    async def flush(self) -> None:
        """Send what waits. Raises Cancelled."""
        while self._waiting:
            waiting = self._waiting
            self._waiting, self._places, self._output = [], {}, 0
            self._arrived.clear()
            for begin in range(0, len(waiting), _BATCH):
                await self._link.send(EVENTS, 0, msgspec.json.encode(waiting[begin : begin + _BATCH]))
        self._arrived.clear()
