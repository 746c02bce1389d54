"""The mounts of a container, planned from its configuration (pure)."""

from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec

from pier.containers.config import ContainerConfig
from pier.containers.container import MountPoint
from pier.containers.hostconfig import HostConfig
from pier.containers.mountspec import image_volume, parse_bind, parse_mount, parse_tmpfs, parse_volumes_from
from pier.errors import InvalidArgument


def plan_mounts(
    config: ContainerConfig,
    host: HostConfig,
    mounts_of: Callable[[str], Sequence[MountPoint]],
    exists: Callable[[str], bool],
) -> tuple[MountPoint, ...]:
    """What goes into the record: ``--volumes-from``, then ``-v``, then ``--mount``, then the image's volumes.

    A later one takes the place that ``--volumes-from`` would have filled; otherwise two mounts at one place are
    refused, and an image's volume yields. ``mounts_of`` gives another container's mounts (NotFound).
    """
    inherited = _inherited(host.volumes_from or (), mounts_of)
    asked = [parse_bind(text, host.volume_driver) for text in host.binds or ()]
    asked += [parse_mount(request, exists) for request in host.mounts or ()]
    own = _unique(asked)
    taken = set(own) | {mount.destination for mount in tmpfs_mounts(host)}
    chosen = {place: mount for place, mount in inherited.items() if place not in taken} | own
    for target in config.volumes or {}:
        volume = image_volume(target)
        if volume.destination not in taken and volume.destination not in chosen:
            chosen[volume.destination] = volume
    _check_tmpfs(host, own)
    return tuple(chosen.values())


def tmpfs_mounts(host: HostConfig) -> list[MountPoint]:
    """The mounts of ``--tmpfs``, which Docker does not list among a container's mounts."""
    return [parse_tmpfs(target, options) for target, options in (host.tmpfs or {}).items()]


def in_order(mounts: Iterable[MountPoint]) -> list[MountPoint]:
    """Parents before what lies in them."""
    return sorted(mounts, key=lambda mount: mount.destination.count("/"))


def volume_labels(host: HostConfig) -> Mapping[str, Mapping[str, str]]:
    """Labels asked for by ``--mount volume-label``, by destination."""
    found: dict[str, Mapping[str, str]] = {}
    for request in host.mounts or ():
        if request.volume_options and request.volume_options.labels:
            found[request.target.rstrip("/")] = request.volume_options.labels
    return found


def volume_driver_options(host: HostConfig) -> Mapping[str, Mapping[str, str]]:
    """Options of the volume's driver asked for by ``--mount volume-opt``, by destination."""
    found: dict[str, Mapping[str, str]] = {}
    for request in host.mounts or ():
        options = request.volume_options
        if options and options.driver_config and options.driver_config.options:
            found[request.target.rstrip("/")] = options.driver_config.options
    return found


def _inherited(specs: Iterable[str], mounts_of: Callable[[str], Sequence[MountPoint]]) -> dict[str, MountPoint]:
    found: dict[str, MountPoint] = {}
    for text in specs:
        reference, writable = parse_volumes_from(text)
        for mount in mounts_of(reference):
            rw = mount.rw if writable is None else writable
            found[mount.destination] = msgspec.structs.replace(mount, rw=rw, copy=False, anonymous=False)
    return found


def _unique(mounts: Iterable[MountPoint]) -> dict[str, MountPoint]:
    found: dict[str, MountPoint] = {}
    for mount in mounts:
        if mount.destination in found:
            raise InvalidArgument(f"Duplicate mount point: {mount.destination}")
        found[mount.destination] = mount
    return found


def _check_tmpfs(host: HostConfig, own: Mapping[str, MountPoint]) -> None:
    for mount in tmpfs_mounts(host):
        if mount.destination in own:
            raise InvalidArgument(f"Duplicate mount point: {mount.destination}")
