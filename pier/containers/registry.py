"""All containers of this daemon, live: records in memory, written through to the store.

What cannot be stored is here too: the lock that orders one container's transitions, and the tasks, waiters,
attachments and execs that belong to its running process. Everything is for the event loop's thread; readers
take a record and keep it (records are frozen), writers hold :attr:`Live.lock` and call :meth:`Registry.put`.
"""

import asyncio
from collections.abc import Iterator
from typing import TYPE_CHECKING

from pier.containers.container import Container
from pier.containers.store import ContainerStore
from pier.errors import Conflict, InvalidArgument, NotFound

if TYPE_CHECKING:
    from pier.containers.exec import Exec
    from pier.containers.wait import Waiter


class Live:
    """One container: its present record, and what belongs to it in this process only."""

    __slots__ = (
        "attachments",
        "cancel_restart",
        "ended",
        "execs",
        "lock",
        "record",
        "restart_delay",
        "supervisor",
        "waiters",
    )  # fmt: skip

    def __init__(self, record: Container) -> None:
        self.record = record
        self.lock = asyncio.Lock()
        self.waiters: list[Waiter] = []
        self.execs: dict[str, Exec] = {}
        self.attachments = 0
        self.supervisor: asyncio.Task[None] | None = None
        self.ended = asyncio.Event()
        self.cancel_restart = asyncio.Event()
        self.restart_delay = 0.0


class Registry:
    """Find, add, replace and remove containers. Names are unique; an id is 64 hexadecimal digits."""

    def __init__(self, store: ContainerStore) -> None:
        self._store = store
        self._live: dict[str, Live] = {}
        self._ids: dict[str, str] = {}
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

    def add(self, record: Container) -> Live:
        """Enter a new container, whose name was reserved."""
        self._store.put_container(record)
        live = self._live[record.id] = Live(record)
        return live

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
        """Ids of the containers that mount the volume of that name."""
        return [
            live.record.id for live in self._live.values() if any(mount.name == volume for mount in live.record.mounts)
        ]

    def image_users(self, image_id: str) -> list[tuple[str, bool]]:
        """(id, running) of the containers made from the image."""
        records = [live.record for live in self._live.values()]
        return [(record.id, record.state.running) for record in records if record.image_id == image_id]
