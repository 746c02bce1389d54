"""A container's own user namespace (``--userns private``), made before its start."""

import asyncio
import os
from contextlib import ExitStack
from pathlib import Path

from pier.containers.attachnet import running_peer
from pier.containers.container import Container, IdRange
from pier.containers.deps import Deps
from pier.containers.idranges import choose, pool
from pier.containers.mapped import UserSpace, mapped_folder, remove
from pier.containers.registry import Live
from pier.containers.validate import network_peer
from pier.errors import InvalidArgument, Unsupported
from pier.linux import userns
from pier.linux.userns import Extent


async def user_space(deps: Deps, live: Live, undo: ExitStack) -> UserSpace | None:
    """The user namespace for a start; None for a container without. Under the lock.

    A container that shares a namespace of another one's shares its user namespace, too. Raises Unsupported,
    NoSpace; InvalidArgument and Conflict for a container that cannot be joined.
    """
    if live.record.host_config.userns_mode != "private":
        return None
    peer = _peer(deps, live.record)
    ids = peer.id_range if peer and peer.id_range else live.record.id_range or _free(deps, live.record)
    if ids != live.record.id_range:
        deps.registry.put(live, live.record.replace(id_range=ids))
    return await asyncio.to_thread(_make, deps, live.record, ids, peer, undo)


def _peer(deps: Deps, record: Container) -> Container | None:
    """The container whose user namespace is to be joined."""
    host = record.host_config
    found: Container | None = None
    for mode, what in ((host.network_mode, "network"), (host.pid_mode, "PID"), (host.ipc_mode, "IPC")):
        name = network_peer(mode)
        if name is None:
            continue
        peer = running_peer(deps, name, what)
        if peer.id_range is None:
            raise InvalidArgument(
                f"cannot share the {what} namespace of container {peer.name}, which has no user namespace of its own, "
                "when user namespaces are enabled"
            )
        if found is not None and peer.id_range != found.id_range:
            raise InvalidArgument(f"containers {found.name} and {peer.name} have different user namespaces")
        found = peer
    return found


def _free(deps: Deps, record: Container) -> IdRange:
    name, ranges = pool(_text("/etc/subuid"), _text("/etc/subgid"))
    taken = {live.record.id_range for live in deps.registry if live.record.id_range is not None}
    return choose(name, ranges, taken, int(record.id[:8], 16))


def _text(path: str) -> str:
    try:
        return Path(path).read_text(errors="replace")
    except OSError:
        return ""


def _make(deps: Deps, record: Container, ids: IdRange, peer: Container | None, undo: ExitStack) -> UserSpace:
    _check_open(deps.run)
    folder = mapped_folder(deps, record.id)
    remove(deps, record.id)
    undo.callback(remove, deps, record.id)
    folder.parent.mkdir(mode=0o711, exist_ok=True)
    folder.mkdir(mode=0o710)
    os.chown(folder, 0, ids.gid)
    if peer is not None:
        return UserSpace(Path(f"/proc/{peer.state.pid}/ns/user"), ids, folder)
    try:
        namespace = userns.new([Extent(0, ids.uid, ids.size)], [Extent(0, ids.gid, ids.size)])
    except OSError as error:
        raise Unsupported(f"this host allows no user namespaces: {error.strerror or error}") from error
    try:
        userns.pin(namespace, folder / "user")
    finally:
        os.close(namespace)
    return UserSpace(folder / "user", ids, folder)


def _check_open(run: Path) -> None:
    """Containers have to reach what is below the exec root as nobody in particular."""
    for folder in (run, *run.parents):
        if not folder.stat().st_mode & 0o001:
            raise Unsupported(
                f"a user namespace needs an exec root that everybody can pass through: chmod o+x {folder}"
            )
