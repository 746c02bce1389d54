"""What a container in a user namespace sees, with the owners that it has in there.

On disk nothing has other owners than in any container: layers and volumes are mounted with shifted owners
(:mod:`pier.linux.userns`), in a folder of the exec root that only the container's ids can enter::

    mapped/<id>/  user (the namespace, pinned)  root  layers (for a moment)  v0 v1 ... (volumes)

Nothing here is ever deleted by walking: what is still mounted cannot be removed by mistake. All calls block.
"""

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from pier.containers.container import IdRange, MountPoint
from pier.containers.deps import Deps
from pier.errors import Unsupported
from pier.linux import userns
from pier.linux.mount import Mount, mount, unmount
from pier.linux.userns import Extent
from pier.runtime.plan import IdMap, SpecMount

_NOBODYS: Final = 0xFFFF_FFFE
"""As whose the kernel's own work on an overlay appears on disk: an id that is in no container and no image."""


@dataclass(frozen=True, slots=True)
class UserSpace:
    """``path`` is the namespace, to be joined; ``folder`` where this container's mounts are made."""

    path: Path
    ids: IdRange
    folder: Path

    @property
    def uid_maps(self) -> tuple[IdMap, ...]:
        return (IdMap(0, self.ids.uid, self.ids.size),)

    @property
    def gid_maps(self) -> tuple[IdMap, ...]:
        return (IdMap(0, self.ids.gid, self.ids.size),)


def show_root(space: UserSpace, merged: Path, mounts: Sequence[Mount]) -> Path:
    """Mount the root file system, with owners shifted, and return where the container reaches it. Blocks.

    It was mounted without at ``merged``, to be looked into and filled as it is on disk; that mount is replaced.
    """
    unmount(merged)
    place = _new_folder(space.folder / "layers")
    ids = space.ids
    maps = [
        [Extent(0, first, ids.size), Extent(_NOBODYS, 0, 1)]
        for first in (ids.uid, ids.gid)
    ]  # fmt: skip
    namespace = userns.new(*maps)
    try:
        for each in mounts:
            userns.mount_overlay_mapped(each, place, namespace)
    except OSError as error:
        raise _cannot_map(merged, error) from error
    finally:
        os.close(namespace)
    place.rmdir()
    root = _new_folder(space.folder / "root")
    mount(Mount("bind", os.fspath(merged), root, ("bind",)))
    return root


def show_volumes(
    space: UserSpace, wanted: Sequence[MountPoint], mounts: Sequence[SpecMount]
) -> tuple[SpecMount, ...]:  # fmt: skip
    """``mounts``, which are those of ``wanted``, with the volumes among them replaced by shifted ones."""
    namespace = os.open(space.path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return tuple(
            replace(each, source=_show_volume(space.folder / f"v{number}", each.source, namespace))
            if point.type == "volume"
            else each
            for number, (point, each) in enumerate(zip(wanted, mounts, strict=True))
        )
    finally:
        os.close(namespace)


def _show_volume(place: Path, source: str, namespace: int) -> str:
    if os.path.isdir(source):
        _new_folder(place)
    else:
        place.touch()
    try:
        userns.mount_mapped(source, place, namespace)
    except OSError as error:
        raise _cannot_map(source, error) from error
    return os.fspath(place)


def _cannot_map(path: str | Path, error: OSError) -> Unsupported:
    return Unsupported(
        f"a user namespace needs id-mapped mounts, which the kernel (Linux 5.19) or the file system of {path} "
        f"does not have: {error.strerror}"
    )


def _new_folder(path: Path) -> Path:
    path.mkdir(mode=0o755)
    return path


def remove(deps: Deps, container_id: str) -> None:
    """Unmount and remove all of it. Idempotent."""
    folder = mapped_folder(deps, container_id)
    try:
        entries = [Path(entry.path) for entry in os.scandir(folder)]
    except FileNotFoundError:
        return
    for path in entries:
        with suppress(OSError):  # not mounted
            unmount(path, detach=True)
        if path.is_dir():
            path.rmdir()
        else:
            path.unlink()
    folder.rmdir()


def left(deps: Deps) -> set[str]:
    """The containers that something is here for."""
    try:
        return {entry.name for entry in os.scandir(deps.run / "mapped")}
    except FileNotFoundError:
        return set()


def mapped_folder(deps: Deps, container_id: str) -> Path:
    return deps.run / "mapped" / container_id
