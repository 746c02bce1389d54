"""Clients that offer something to their builds, by the session IDs that they chose."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from multidict import MultiMapping

from pier.api.buildkit.transport import SessionChannel
from pier.errors import Conflict, InvalidArgument, NotFound

_PATIENCE: Final = 5.0
_ID: Final = "X-Docker-Expose-Session-Uuid"
_NAME: Final = "X-Docker-Expose-Session-Name"
_SHARED_KEY: Final = "X-Docker-Expose-Session-Sharedkey"
_METHOD: Final = "X-Docker-Expose-Session-Grpc-Method"


@dataclass(frozen=True, slots=True, eq=False)
class Attached:
    """One session. ``methods`` are paths in lower case; ``shared_key`` names the client's folder across builds."""

    id: str
    name: str
    shared_key: str
    methods: frozenset[str]
    channel: SessionChannel
    gone: asyncio.Event = field(default_factory=asyncio.Event)

    def offers(self, method: str) -> bool:
        return method.lower() in self.methods


class Sessions:
    def __init__(self) -> None:
        self._attached: dict[str, Attached] = {}
        self._changed = asyncio.Condition()
        self._announcing: set[asyncio.Task[None]] = set()

    def check(self, headers: MultiMapping[Any]) -> None:
        """Whether a session may join. Raises InvalidArgument, Conflict."""
        id = headers.get(_ID, "")
        if not id:
            raise InvalidArgument("a session needs an ID")
        if id in self._attached:
            raise Conflict(f"session {id} already exists")

    @contextmanager
    def joined(self, headers: MultiMapping[Any], channel: SessionChannel) -> Iterator[Attached]:
        """A session, which was checked, is there while the block runs."""
        session = Attached(
            id=headers.get(_ID, ""),
            name=headers.get(_NAME, ""),
            shared_key=headers.get(_SHARED_KEY, ""),
            methods=frozenset(method.lower() for method in headers.getall(_METHOD, [])),
            channel=channel,
        )
        self._attached[session.id] = session
        self._announce()
        try:
            yield session
        finally:
            del self._attached[session.id]
            session.gone.set()

    def _announce(self) -> None:
        task = asyncio.ensure_future(self._notify())
        self._announcing.add(task)
        task.add_done_callback(self._announcing.discard)

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def find(self, id: str) -> Attached:
        """Return a session, which may just be connecting. Raises NotFound after five seconds."""
        id = id.rpartition(":")[2]
        try:
            async with asyncio.timeout(_PATIENCE), self._changed:
                await self._changed.wait_for(lambda: id in self._attached)
                return self._attached[id]
        except TimeoutError:
            raise NotFound(f"no active session for {id}: context deadline exceeded") from None
