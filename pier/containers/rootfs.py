"""A container's root file system at its start: mounted, with its volumes filled, and looked into. Blocks."""

import os
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from pier.containers.announce import announce_mount
from pier.containers.container import Container, MountPoint
from pier.containers.deps import Deps
from pier.containers.mapped import UserSpace, show_root, show_volumes
from pier.containers.mounts import in_order, tmpfs_mounts
from pier.containers.shm import shared_memory
from pier.containers.teardown import release_volume, unmount_root
from pier.errors import InvalidArgument
from pier.linux.files import make_folder, path_in_root
from pier.linux.mount import mount
from pier.runtime.accounts import Account
from pier.runtime.lookup import account_in
from pier.runtime.plan import SpecMount
from pier.volumes.copyup import copy_up


@dataclass(frozen=True, slots=True)
class Rooted:
    """Where the root is mounted, what is to be mounted in it, and whom the process runs as."""

    path: Path
    mounts: tuple[SpecMount, ...]
    account: Account


def mount_root(deps: Deps, record: Container, space: UserSpace | None, undo: ExitStack) -> Rooted:
    """Mount the layers, prepare the user's mounts and look up the user; ``undo`` takes it all back.

    ``space`` is the container's own user namespace, if it has one: all is then shown with its owners.
    InvalidArgument in Docker's words for a user that is not there or a bind source that cannot be.
    """
    path = deps.snapshots.merged(record.id)
    undo.callback(unmount_root, deps, record.id)
    layers = deps.snapshots.rw_mounts(record.id)
    for each in layers:
        mount(each)
    wanted = in_order([*record.mounts, *tmpfs_mounts(record.host_config)])
    mounts = tuple(_spec_mount(deps, record, each, path, undo) for each in wanted)
    if space is not None:
        mounts = show_volumes(space, wanted, mounts)
    if not any(each.destination == "/dev/shm" for each in mounts):
        mounts += shared_memory(deps, record, undo)
    account = account_in(path, record.config.user, record.host_config.group_add or ())
    if record.config.working_dir:
        make_folder(path, record.config.working_dir)
    if space is not None:
        path = show_root(space, path, layers)
    return Rooted(path, mounts, account)


def _spec_mount(deps: Deps, record: Container, each: MountPoint, root: Path, undo: ExitStack) -> SpecMount:
    if each.type == "tmpfs":
        return SpecMount("tmpfs", "tmpfs", each.destination, each.options)
    source = _bind_source(each) if each.type == "bind" else _volume(deps, record, each, root, undo)
    kind = "rbind" if each.recursive else "bind"
    options = (kind, each.propagation or "rprivate", "rw" if each.rw else "ro")
    return SpecMount("bind", source, each.destination, options)


def _bind_source(each: MountPoint) -> str:
    """The host's path, made as a folder where the short form of ``-v`` names one that is not there."""
    if not os.path.lexists(each.source) and each.create_source:
        try:
            os.makedirs(each.source, mode=0o755, exist_ok=True)
        except OSError as error:
            raise InvalidArgument(
                f"error while creating mount source path '{each.source}': mkdir {error.filename}: {error.strerror}"
            ) from error
    if not os.path.exists(each.source):
        raise InvalidArgument(f'invalid mount config for type "bind": bind source path does not exist: {each.source}')
    return each.source


def _volume(deps: Deps, record: Container, each: MountPoint, root: Path, undo: ExitStack) -> str:
    data = deps.volumes.acquire(each.name, record.id)
    undo.callback(release_volume, deps, record, each)
    if each.copy:
        copy_up(root, each.destination, data)
    announce_mount(deps, record, each)
    return str(_subpath(data, each.subpath)) if each.subpath else str(data)


def _subpath(data: Path, subpath: str) -> Path:
    try:
        return path_in_root(data, subpath)
    except OSError as error:
        raise InvalidArgument(f"cannot access path {data / subpath}: {error.strerror}") from error
