"""All containers of this daemon, live: records in memory, written through to the store.

What cannot be stored is here too: the lock that orders one container's transitions, and the tasks, waiters,
attachments and execs that belong to its running process. Everything is for the event loop's thread; readers
take a record and keep it (records are frozen), writers hold :attr:`Live.lock` and call :meth:`Registry.put`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pier.containers.container import Container
from pier.containers.store import ContainerStore
from pier.errors import Conflict, InvalidArgument, NotFound
from pier.runtime.runtime import AttachStream

if TYPE_CHECKING:
    from pier.containers.exec import Exec
    from pier.containers.wait import Waiter


@dataclass(frozen=True, slots=True)
class Pending:
    """An attachment that waits for the next start; the future gives None when that start fails."""

    future: asyncio.Future[AttachStream | None]
    stdin: bool


class Live:
    """One container: its present record, and what belongs to it in this process only.

    ``pending`` are attachments that wait for the next start. ``ended`` is set while there is no process.
    ``teardown`` frees what the last process used; a start awaits it. ``restarter`` sleeps until the policy's
    next start. ``rotation`` keeps the log small, ``monitor`` checks its health. ``removing`` is set from the moment
    somebody decided to remove it; ``kept`` while ``restart`` stops it, so that ``--rm`` does not strike.
    """

    __slots__ = (
        "ended", "execs", "kept", "lock", "monitor", "pending", "record", "removing", "restart_delay", "restarter",
        "rotation", "supervisor", "teardown", "waiters",
    )  # fmt: skip

    def __init__(self, record: Container) -> None:
        self.record = record
        self.lock = asyncio.Lock()
        self.waiters: list[Waiter] = []
        self.pending: list[Pending] = []
        self.execs: dict[str, Exec] = {}
        self.supervisor: asyncio.Task[None] | None = None
        self.restarter: asyncio.Task[None] | None = None
        self.rotation: asyncio.Task[None] | None = None
        self.monitor: asyncio.Task[None] | None = None
        self.teardown: asyncio.Task[None] | None = None
        self.ended = asyncio.Event()
        self.restart_delay = 0.0
        self.removing = False
        self.kept = False
        if not record.state.alive:
            self.ended.set()

    async def known(self) -> Container:
        """The record, once a start that is under way is over: what a process says may be answered before that."""
        if not self.record.state.alive:
            async with self.lock:
                pass
        return self.record


class Registry:
    """Find, add, replace and remove containers. Names are unique; an id is 64 hexadecimal digits."""

    def __init__(self, store: ContainerStore) -> None:
        self._store = store
        self._live: dict[str, Live] = {}
        self._ids: dict[str, str] = {}
        self._claims: dict[str, set[str]] = {}
        self.execs: dict[str, Exec] = {}
        for record in store.containers():
            self._live[record.id] = Live(record)
            self._ids[record.name] = record.id

    def __iter__(self) -> Iterator[Live]:
        return iter(list(self._live.values()))

    def __len__(self) -> int:
        return len(self._live)

    def get(self, container_id: str) -> Live | None:
        """By full id only."""
        return self._live.get(container_id)

    def find(self, reference: str) -> Live:
        """By full id, name (a leading slash is ignored) or unambiguous id prefix, in this order.

        NotFound ``No such container: x``; InvalidArgument when a prefix fits several.
        """
        live = self._live.get(reference) or self._live.get(self._ids.get(reference.removeprefix("/"), ""))
        if live is not None:
            return live
        matches = [each for each in self._live if each.startswith(reference)] if reference else []
        if len(matches) > 1:
            raise InvalidArgument(f"multiple IDs found with provided prefix: {reference}")
        if not matches:
            raise NotFound(f"No such container: {reference}")
        return self._live[matches[0]]

    def owner(self, name: str) -> str | None:
        """The id of the container that has ``name``, or for which it is reserved."""
        return self._ids.get(name)

    def reserve(self, name: str, container_id: str) -> None:
        """Take ``name`` for a container that is being made or renamed; Conflict when it is in use."""
        holder = self._ids.setdefault(name, container_id)
        if holder != container_id:
            raise Conflict(
                f'Conflict. The container name "/{name}" is already in use by container "{holder}". '
                "You have to remove (or rename) that container to be able to reuse that name."
            )

    def release(self, name: str, container_id: str) -> None:
        """Give a reserved name back; one that another container holds meanwhile is left alone."""
        if self._ids.get(name) == container_id:
            del self._ids[name]

    def store(self, record: Container) -> None:
        """Write a new record through; :meth:`adopt` follows. Thread-safe."""
        self._store.put_container(record)

    def adopt(self, record: Container) -> Live:
        """Enter a new container that is stored, and whose name was reserved."""
        live = self._live[record.id] = Live(record)
        return live

    @contextmanager
    def claiming(self, container_id: str, volumes: set[str]) -> Iterator[None]:
        """Inside, the volumes count as used by a container that is being made."""
        self._claims[container_id] = volumes
        try:
            yield
        finally:
            del self._claims[container_id]

    def put(self, live: Live, record: Container) -> Container:
        """Replace the record of ``live`` and write it through."""
        self._store.put_container(record)
        live.record = record
        return record

    def remove(self, live: Live) -> None:
        """Forget the container; its name is free at once."""
        record = live.record
        self._store.delete_container(record.id)
        self._live.pop(record.id, None)
        self.release(record.name, record.id)
        for exec_id in live.execs:
            self.execs.pop(exec_id, None)

    def volume_users(self, volume: str) -> list[str]:
        """Ids of the containers that mount the volume of that name. Thread-safe."""
        records = [live.record for live in list(self._live.values())]
        found = [record.id for record in records if any(mount.name == volume for mount in record.mounts)]
        return found + [each for each, names in list(self._claims.items()) if volume in names and each not in found]

    def image_users(self, image_id: str) -> list[tuple[str, bool]]:
        """(id, running) of the containers made from the image. Thread-safe."""
        records = [live.record for live in list(self._live.values())]
        return [(record.id, record.state.running) for record in records if record.image_id == image_id]
