"""The tree that ``docker cp`` and ``docker export`` see: a running container's own, or one mounted for the while.

A running container is seen through ``/proc/<pid>/root``, with its volumes, binds and tmpfs as its processes
see them. A stopped one is mounted by the helper for itself alone.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

from pier.containers.container import Container, MountPoint
from pier.containers.deps import Deps
from pier.containers.mounts import in_order
from pier.errors import NotFound
from pier.linux import process
from pier.linux.mount import Mount
from pier.linux.treecopy import Bind, View

_SYSTEM_FOLDERS: Final = ("/proc", "/sys", "/dev")
_SYSTEM_TYPES: Final = frozenset(
    {"proc", "sysfs", "cgroup", "cgroup2", "devpts", "mqueue", "tmpfs", "devtmpfs", "securityfs", "debugfs"}
)


@asynccontextmanager
async def tree_of(deps: Deps, record: Container, *, writable: bool = False) -> AsyncIterator[View]:
    """The container's tree with its volumes. For a stopped one that is to be written, hold its lock."""
    running = running_root(record)
    if running is not None:
        mapped = running.parent / "ns/user" if record.id_range else None
        yield View(running, skip=tuple(_system_devices(running.parent)), user_namespace=mapped)
        return
    acquired: list[str] = []
    user = f"{record.id}:copy"
    try:
        binds = [bind for each in in_order(record.mounts) for bind in _bind(deps, each, user, acquired)]
        layers = _layers(deps, record, writable)
        if binds and not writable:
            layers = tuple(part for each in layers for part in _with_scratch(each))
        yield View(deps.snapshots.merged(record.id), layers, tuple(binds))
    finally:
        for name in acquired:
            with suppress(NotFound):
                await asyncio.to_thread(deps.volumes.release, name, user)


def layers_of(deps: Deps, record: Container) -> View:
    """The container's layers alone, without volumes: what ``export`` takes."""
    merged = deps.snapshots.merged(record.id)
    if running_root(record) is not None and record.id_range is None:
        return View(merged)
    return View(merged, _layers(deps, record, False))


def running_root(record: Container) -> Path | None:
    """Where a running container's root can be entered; None for one that does not run."""
    process_of = record.supervised
    if not record.state.alive or process_of is None or not process.running(process_of.pid, process_of.pid_start):
        return None
    return Path(f"/proc/{process_of.pid}/root")


def _layers(deps: Deps, record: Container, writable: bool) -> tuple[Mount, ...]:
    mounts = tuple(deps.snapshots.rw_mounts(record.id))
    return mounts if writable else tuple(_read_only(each) for each in mounts)


def _read_only(wanted: Mount) -> Mount:
    """An overlay whose upper folder is just its topmost layer: any number may look on at once."""
    if wanted.type != "overlay":
        return Mount(wanted.type, wanted.source, wanted.target, (*wanted.options, "ro"))
    folders = dict(option.partition("=")[::2] for option in wanted.options)
    lowers = [folders[key] for key in ("upperdir", "lowerdir") if folders.get(key)]
    others = [
        option for option in wanted.options if option.partition("=")[0] not in ("upperdir", "workdir", "lowerdir")
    ]
    return Mount("overlay", wanted.source, wanted.target, (f"lowerdir={':'.join(lowers)}", *others, "ro"))


def _with_scratch(wanted: Mount) -> tuple[Mount, ...]:
    """A read-only overlay, but for mount points that are not there yet: they are made in memory, and forgotten."""
    if wanted.type != "overlay":
        return (wanted,)
    scratch = Mount("tmpfs", "tmpfs", wanted.target, ("mode=0755",))
    folders = (f"upperdir={wanted.target}/upper", f"workdir={wanted.target}/work")
    options = tuple(option for option in wanted.options if option != "ro")
    return scratch, Mount("overlay", wanted.source, wanted.target, (*options, *folders))


def _bind(deps: Deps, mount: MountPoint, user: str, acquired: list[str]) -> Iterator[Bind]:
    if mount.type == "bind":
        yield Bind(mount.source, mount.destination, not mount.rw)
    elif mount.type == "volume":
        with suppress(NotFound):  # removed by force: the container has none any more
            data = deps.volumes.acquire(mount.name, user)
            acquired.append(mount.name)
            yield Bind(os.path.join(data, mount.subpath), mount.destination, not mount.rw)


def _system_devices(folder: Path) -> Iterator[int]:
    """Device numbers of what the runtime mounts under /proc, /sys and /dev: mountinfo in proc(5)."""
    with open(folder / "mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        for line in file:
            fields, _, rest = line.partition(" - ")
            _, _, device, _, place, *_ = fields.split()
            if rest.split()[0] in _SYSTEM_TYPES and place.startswith(_SYSTEM_FOLDERS):
                major, _, minor = device.partition(":")
                yield os.makedev(int(major), int(minor))
