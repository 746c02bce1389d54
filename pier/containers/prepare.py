"""What the plan of a process needs from the host, gathered: namespaces to join, devices, files, limits."""

import os
import stat
from pathlib import Path

from pier.containers.attachnet import Networked, running_peer
from pier.containers.container import Container
from pier.containers.deps import Deps
from pier.containers.etcfiles import NAMES, link_variables, write_etc_files
from pier.containers.hostconfig import HostConfig
from pier.containers.mapped import UserSpace
from pier.containers.rootfs import Rooted
from pier.containers.security import confinement
from pier.containers.specplan import Prepared, throttled_paths
from pier.containers.validate import network_peer
from pier.errors import InvalidArgument
from pier.runtime.capabilities import normalise
from pier.runtime.host import find_devices, find_init
from pier.runtime.plan import Device, SpecMount, Ulimit


def prepared(
    deps: Deps, record: Container, rooted: Rooted, networked: Networked, space: UserSpace | None = None
) -> Prepared:
    """Gather it (a few small files are written, under 1 ms). Raises InvalidArgument, NotFound, Conflict."""
    host = record.host_config
    owner = networked.peer or record
    if networked.peer is None:
        write_etc_files(deps, record, networked.endpoints)
    parent = (host.cgroup_parent or deps.settings.cgroup_parent).rstrip("/")
    wants_init = deps.settings.init if host.init is None else host.init
    return Prepared(
        rootfs=rooted.path,
        netns=networked.netns,
        hostname=owner.config.hostname,
        account=rooted.account,
        mounts=rooted.mounts,
        etc=tuple(_etc_mount(deps, owner, name, read_only=host.readonly_rootfs) for name in NAMES),
        cgroup_path=f"{parent}/{record.id}",
        link_variables=link_variables(deps, record, networked.endpoints),
        confinement=confinement(host),
        cap_add=normalise(host.cap_add or (), deps.host.capabilities, "CapAdd"),
        cap_drop=normalise(host.cap_drop or (), deps.host.capabilities, "CapDrop"),
        pid_mode=_joined(deps, host.pid_mode, "pid"),
        ipc_mode=_joined(deps, host.ipc_mode, "ipc"),
        userns=str(space.path) if space else "host",
        uid_maps=space.uid_maps if space else (),
        gid_maps=space.gid_maps if space else (),
        devices=_devices(host),
        ulimits=_ulimits(deps, host),
        init=find_init(deps.settings.init_path) if wants_init and host.pid_mode != "host" else None,
        block_numbers=block_numbers(host),
    )


def _etc_mount(deps: Deps, owner: Container, name: str, read_only: bool) -> SpecMount:
    access = "ro" if read_only else "rw"
    return SpecMount("bind", str(deps.folder(owner.id) / name), f"/etc/{name}", ("rbind", "rprivate", access))


def _joined(deps: Deps, mode: str, kind: str) -> str:
    """``private``, ``host``, ``none``, or the path of the namespace of a running container."""
    peer = network_peer(mode)
    if peer is not None:
        return f"/proc/{running_peer(deps, peer, kind.upper()).state.pid}/ns/{kind}"
    return mode if mode in ("host", "none") else "private"


def _devices(host: HostConfig) -> tuple[Device, ...]:
    return tuple(
        device
        for each in host.devices or ()
        for device in find_devices(each.path_on_host, each.path_in_container, each.cgroup_permissions)
    )


def _ulimits(deps: Deps, host: HostConfig) -> tuple[Ulimit, ...]:
    chosen = {name: Ulimit(name, soft, hard) for name, (soft, hard) in deps.settings.ulimits.items()}
    chosen |= {each.name: Ulimit(each.name, each.soft, each.hard) for each in host.ulimits or ()}
    return tuple(chosen.values())


def block_numbers(host: HostConfig) -> dict[str, tuple[int, int]]:
    """The numbers of the block devices that limits are asked for. InvalidArgument for what is none."""
    return {path: _numbers(path) for path in throttled_paths(host)}


def _numbers(path: str) -> tuple[int, int]:
    try:
        status = Path(path).stat()
    except OSError as error:
        raise InvalidArgument(f"{path}: {error.strerror}") from error
    if not stat.S_ISBLK(status.st_mode):
        raise InvalidArgument(f"{path} is not a block device")
    return os.major(status.st_rdev), os.minor(status.st_rdev)
