"""Freeing what a process has used: first what others may be waiting for, then what nobody sees."""

import asyncio
from contextlib import suppress

from pier.containers import mapped
from pier.containers.announce import announce_network, announce_unmount
from pier.containers.container import Container, MountPoint
from pier.containers.deps import Deps
from pier.containers.registry import Live
from pier.containers.shm import unmount_shared
from pier.errors import NotFound, PierError
from pier.linux.mount import mounted, unmount
from pier.linux.trees import remove_tree
from pier.log import Logger
from pier.networks.network import Endpoint

_log = Logger("pier.containers")


async def release(deps: Deps, record: Container) -> None:
    """Give back published ports and volumes, so that the next container can have them. Never fails."""
    for endpoint in record.endpoints:
        await disconnect(deps, endpoint)
    release_volumes(deps, record)


async def disconnect(deps: Deps, endpoint: Endpoint) -> None:
    """Take a container off a network. Never fails: what is left over is found at the next start."""
    try:
        await deps.networks.disconnect(endpoint)
    except PierError as error:
        _log.warning("disconnect", container=endpoint.container_id, network=endpoint.network_name, error=error)
    announce_network(deps, endpoint, driver_of(deps, endpoint), "disconnect")


def release_volumes(deps: Deps, record: Container) -> None:
    for mount in record.mounts:
        if mount.type == "volume":
            release_volume(deps, record, mount)


def release_volume(deps: Deps, record: Container, mount: MountPoint) -> None:
    with suppress(NotFound):
        deps.volumes.release(mount.name, record.id)
    announce_unmount(deps, record, mount)


def driver_of(deps: Deps, endpoint: Endpoint) -> str:
    """The driver of the endpoint's network, as events name it; empty when the network is gone."""
    try:
        return deps.networks.find(endpoint.network_id).driver
    except NotFound:
        return ""


def clean_later(deps: Deps, live: Live) -> None:
    """Begin :func:`clean`; a start of the same container awaits it (``live.teardown``)."""
    record = live.record
    cleaning = clean(deps, record.id, was_mapped=record.id_range is not None)
    live.teardown = deps.background.spawn(cleaning, "teardown", container=record.id)


async def clean(deps: Deps, container_id: str, *, was_mapped: bool = True) -> None:
    """Remove what the process leaves: the runtime's state and cgroup, the sandbox, the mounted root, its files.

    ``was_mapped``: it may have had a user namespace.
    """
    if was_mapped:
        await asyncio.to_thread(mapped.remove, deps, container_id)
    await asyncio.gather(
        deps.runtime.delete(container_id, force=True),
        deps.networks.remove_sandbox(container_id),
        asyncio.to_thread(unmount_root, deps, container_id),
    )
    await asyncio.to_thread(remove_tree, deps.run_folder(container_id))


def unmount_root(deps: Deps, container_id: str) -> None:
    """Unmount the root file system and a shared ``/dev/shm``, if they are mounted. Blocks (milliseconds)."""
    unmount_shared(deps, container_id)
    with suppress(NotFound):
        merged = deps.snapshots.merged(container_id)
        if mounted(merged):
            unmount(merged, detach=True)
