"""The last step of ``rm``: out of the registry, and everything that belonged to the container after it."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from pier.containers.announce import announce
from pier.containers.attach import end_pending
from pier.containers.container import Container
from pier.containers.deps import Deps
from pier.containers.registry import Live
from pier.containers.teardown import clean
from pier.containers.wait import notify
from pier.content.journal import Entry
from pier.errors import Conflict, NotFound
from pier.images.release import release_layers
from pier.linux.trees import remove_tree

REMOVE = "container:remove"


async def forget(deps: Deps, live: Live, *, volumes: bool) -> None:
    """Remove an ended container. Its name, and with ``volumes`` its anonymous volumes, are free on return.

    Under the lock. Files and mounts go in the background; the journal has them finished after a crash.
    """
    record = live.record
    names = anonymous_volumes(record) if volumes else []
    entry = deps.journal.begin(REMOVE, record.id, {"volumes": names})
    deps.registry.remove(live)
    if names:
        await asyncio.to_thread(remove_volumes, deps, names)
    announce(deps, record, "destroy")
    end_pending(live)
    notify(live, "removed", "not-running", "next-exit")
    deps.background.spawn(_files(deps, live, entry), "removal", container=record.id)


async def finish_removal(deps: Deps, entry: Entry) -> None:
    """At start-up: do what a removal that a crash cut short had left to do. Idempotent."""
    await asyncio.to_thread(remove_volumes, deps, entry.detail.get("volumes", ()))
    await clean(deps, entry.key)
    await asyncio.to_thread(remove_files, deps, entry.key)
    deps.journal.done(entry)


def remove_files(deps: Deps, container_id: str) -> None:
    """The writable layer and the container's folder. Blocks."""
    deps.snapshots.remove_rw(container_id)
    remove_tree(deps.folder(container_id))


def anonymous_volumes(record: Container) -> list[str]:
    return [mount.name for mount in record.mounts if mount.type == "volume" and mount.anonymous]


def remove_volumes(deps: Deps, names: Sequence[str]) -> None:
    """Those that no other container uses. Blocks; thread-safe."""
    for name in names:
        with suppress(Conflict, NotFound):
            deps.volumes.remove(name)


async def _files(deps: Deps, live: Live, entry: Entry) -> None:
    if live.teardown is not None:
        await live.teardown
    below = deps.snapshots.rw_snapshots().get(live.record.id)
    await asyncio.to_thread(remove_files, deps, live.record.id)
    await release_layers(deps.images, below)  # where its image was removed by force, they were its alone
    deps.journal.done(entry)
