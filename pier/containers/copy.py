"""``cp`` and ``diff``: files in and out of a container, running or not, and what it changed.

The container's tree is hostile: all work on it is done by a helper that cannot leave it.
"""

import asyncio
import io
import tarfile
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Final

from pier.containers.announce import announce
from pier.containers.container import Container
from pier.containers.copypath import PathStat, absolute, path_stat, shown_name, within
from pier.containers.deps import Deps
from pier.containers.export import export
from pier.containers.registry import Live
from pier.containers.treeview import tree_of
from pier.errors import InvalidArgument, NotFound
from pier.linux import treecopy
from pier.linux.treecopy import View
from pier.runtime.accounts import find_account
from pier.snapshots.snapshotter import Change

__all__ = ["PathStat", "changes", "export", "get", "put", "stat"]

_LARGEST_TABLE: Final = 4 * 1024 * 1024


async def stat(deps: Deps, reference: str, path: str) -> PathStat:
    """What is at ``path``; NotFound ``Could not find the file /x in container y``."""
    async with tree_of(deps, deps.registry.find(reference).record) as view:
        return await _stat(view, reference, path)


async def _stat(view: View, reference: str, path: str) -> PathStat:
    place = absolute(path)
    try:
        return path_stat(place, await treecopy.describe(view, place))
    except NotFound as error:
        raise _missing(reference, path) from error


def _missing(reference: str, path: str) -> NotFound:
    return NotFound(f"Could not find the file {path} in container {reference}")


async def get(deps: Deps, reference: str, path: str) -> tuple[PathStat, AsyncIterator[bytes]]:
    """What is at ``path``, and a tar of it. The container is looked at when the tar is read."""
    record = deps.registry.find(reference).record
    found = await stat(deps, reference, path)
    announce(deps, record, "archive-path")
    return found, _tar(deps, record, absolute(path))


async def _tar(deps: Deps, record: Container, place: str) -> AsyncIterator[bytes]:
    async with tree_of(deps, record) as view, aclosing(treecopy.read(view, place, shown_name(place))) as pieces:
        async for data in pieces:
            yield data


async def put(
    deps: Deps,
    reference: str,
    path: str,
    stream: AsyncIterator[bytes],
    *,
    no_overwrite_dir_non_dir: bool = False,
    copy_uid_gid: bool = False,
) -> None:
    """Unpack the tar ``stream`` (compressed or not) into the folder ``path`` of the container.

    ``copy_uid_gid``: everything becomes the container's user's. Raises NotFound as :func:`stat` does,
    InvalidArgument where ``path`` is no folder or read-only, DataCorrupted for a bad tar.
    """
    live = deps.registry.find(reference)
    if live.record.state.alive:
        await _put(deps, live, reference, path, stream, no_overwrite_dir_non_dir, copy_uid_gid)
    else:
        async with live.lock:  # nobody starts it, and so mounts its layers, meanwhile
            await _put(deps, live, reference, path, stream, no_overwrite_dir_non_dir, copy_uid_gid)
    announce(deps, live.record, "extract-to-dir")


async def _put(
    deps: Deps, live: Live, reference: str, path: str, stream: AsyncIterator[bytes], keep_kinds: bool, own: bool
) -> None:
    record, place = live.record, absolute(path)
    async with tree_of(deps, record, writable=True) as view:
        found = await _stat(view, reference, path)
        _check_writable(record, found.link_target or place)
        owner = await _owner(view, record.config.user) if own and record.config.user else None
        try:
            await treecopy.write(view, place, stream, keep_kinds=keep_kinds, owner=owner)
        except NotFound as error:
            raise _missing(reference, path) from error


def _check_writable(record: Container, place: str) -> None:
    volumes = [mount for mount in record.mounts if within(place, mount.destination)]
    if volumes:
        nearest = max(volumes, key=lambda mount: len(mount.destination))
        if not nearest.rw:
            raise InvalidArgument("mounted volume is marked read-only")
    elif record.host_config.readonly_rootfs and not any(within(place, each) for each in record.host_config.tmpfs or ()):
        raise InvalidArgument("container rootfs is marked read-only")


async def _owner(view: View, user: str) -> tuple[int, int]:
    account = find_account(user, (), await _text(view, "/etc/passwd"), await _text(view, "/etc/group"))
    return account.uid, account.gid


async def _text(view: View, path: str) -> str:
    """A small file of the tree; empty where there is none."""
    data = bytearray()
    try:
        async with aclosing(treecopy.read(view, path, "table")) as pieces:
            async for piece in pieces:
                data += piece
                if len(data) > _LARGEST_TABLE:
                    return ""
    except (NotFound, InvalidArgument):
        return ""
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        member = archive.next()
        file = archive.extractfile(member) if member is not None and member.isreg() else None
        return file.read().decode(errors="replace") if file else ""


async def changes(deps: Deps, reference: str) -> list[Change]:
    """What the container changed in its image, by path."""
    record = deps.registry.find(reference).record
    return await asyncio.to_thread(deps.snapshots.rw_changes, record.id)
