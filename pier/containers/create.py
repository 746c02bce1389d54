"""``create``: from a request to a container that can be started."""

import asyncio
import os
import random
import secrets
import socket
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final

import msgspec

from pier.containers.announce import announce
from pier.containers.attachnet import with_primary
from pier.containers.config import CreateRequest, EndpointSettings
from pier.containers.container import Container, MountPoint
from pier.containers.deps import Deps
from pier.containers.forget import remove_files, remove_volumes
from pier.containers.hostconfig import HostConfig
from pier.containers.links import parse_link
from pier.containers.merge import command, merge
from pier.containers.mounts import plan_mounts, volume_driver_options, volume_labels
from pier.containers.names import check_name, random_name
from pier.containers.normal import DEFAULT_NETWORK, normal_config, normal_host
from pier.containers.validate import network_peer, validate, validate_request
from pier.content.journal import Entry
from pier.errors import InvalidArgument, NotFound
from pier.images import lookup
from pier.images.image import Image
from pier.oci.digest import Digest
from pier.oci.image import ExecutionConfig
from pier.oci.platform import Platform
from pier.runtime.capabilities import normalise
from pier.volumes.volume import ANONYMOUS_LABEL

CREATE: Final = "container:create"


@dataclass(frozen=True, slots=True)
class Created:
    """The answer of ``create``: the new id, and sentences about what was asked and cannot be had."""

    id: str
    warnings: tuple[str, ...]


async def create(deps: Deps, name: str, request: CreateRequest, platform: Platform | None = None) -> Created:
    """Make a container; an empty ``name`` picks a random one. Leaves nothing behind on failure.

    Raises NotFound ``No such image: x:latest``, Conflict for a name in use, InvalidArgument for what is wrong
    in the request.
    """
    deps.runtime.anticipate()
    return await deps.background.through(_create(deps, name, request, platform))


async def _create(deps: Deps, name: str, request: CreateRequest, platform: Platform | None) -> Created:
    container_id = secrets.token_hex(32)
    validate_request(request, request.host_config)
    _check_links(deps, request.host_config)
    image = _image(deps, request.image, platform)
    record, warnings = _record(deps, container_id, request, image)
    wanted = check_name(name) if name else random_name(deps.registry.owner, random.choice)
    deps.registry.reserve(wanted, container_id)
    try:
        record = await _make(deps, record.replace(name=wanted))
    except BaseException:
        deps.registry.release(wanted, container_id)
        raise
    announce(deps, record, "create")
    return Created(container_id, tuple(warnings))


def _check_links(deps: Deps, host: HostConfig) -> None:
    for text in host.links or ():
        name = parse_link(text).name
        try:
            deps.registry.find(name)
        except NotFound as error:
            raise InvalidArgument(f"could not get container for {name}: {error}") from error


def _image(deps: Deps, name: str, platform: Platform | None) -> Image | None:
    if not name:
        return None
    image = lookup.find(deps.images, name)
    if platform is not None:
        actual = Platform(image.config.architecture, image.config.os, "", image.config.variant)
        if not platform.accepts(actual):
            raise NotFound(
                f"image with reference {name} was found but does not match the specified platform: "
                f"wanted {platform}, actual: {actual}"
            )
    return image


def _record(deps: Deps, container_id: str, request: CreateRequest, image: Image | None) -> tuple[Container, list[str]]:
    """Everything that is decided without touching anything."""
    config = merge(request.config, image.config.config if image else ExecutionConfig())
    host = normal_host(request.host_config, deps.settings, deps.runtime.name)
    warnings = validate(config, host, frozenset(range(os.cpu_count() or 1)))
    for what, names in (("CapAdd", host.cap_add), ("CapDrop", host.cap_drop)):
        normalise(names or (), deps.host.capabilities, what)
    if image is None:
        raise InvalidArgument("no image specified")
    config = normal_config(config, host, container_id, socket.gethostname())
    path, arguments = command(config)
    record = Container(
        id=container_id,
        name="",
        created=time.time_ns(),
        image_id=image.id,
        image_name=request.image,
        parent=image.top,
        config=config,
        host_config=host,
        path=path,
        args=arguments,
        networks=_networks(request, host),
        mounts=plan_mounts(config, host, lambda name: _mounts_of(deps, name), os.path.exists),
    )
    return record, warnings


def _mounts_of(deps: Deps, reference: str) -> Sequence[MountPoint]:
    return deps.registry.find(reference).record.mounts


def _networks(request: CreateRequest, host: HostConfig) -> dict[str, EndpointSettings]:
    if network_peer(host.network_mode):
        return {}
    asked = request.networking_config.endpoints_config or {}
    named = {DEFAULT_NETWORK if name == "default" else name: settings for name, settings in asked.items()}
    return with_primary(named, host.network_mode)


async def _make(deps: Deps, record: Container) -> Container:
    """Volumes, writable layer, folder, record: journalled, and undone when one of them fails."""
    anonymous = {mount.destination: secrets.token_hex(32) for mount in record.mounts if mount.anonymous}
    named = {mount.name for mount in record.mounts if mount.name}
    with deps.registry.claiming(record.id, {*named, *anonymous.values()}), deps.images.pins.hold(_layers(record)):
        record = await asyncio.to_thread(_make_files, deps, record, anonymous)
        deps.registry.adopt(record)
    return record


def _layers(record: Container) -> tuple[Digest, ...]:
    return () if record.parent is None else (record.parent,)


def _make_files(deps: Deps, record: Container, anonymous: Mapping[str, str]) -> Container:
    """All that is on disk. Blocks."""
    entry = deps.journal.begin(CREATE, record.id, {"volumes": list(anonymous.values())})
    with ExitStack() as undo:
        undo.callback(undo_creation, deps, entry)
        record = record.replace(mounts=_volumes(deps, record, anonymous))
        deps.snapshots.create_rw(record.id, record.parent)
        deps.folder(record.id).mkdir(mode=0o710, parents=True)
        with deps.journal.completing(entry):
            deps.registry.store(record)
        undo.pop_all()
    return record


def undo_creation(deps: Deps, entry: Entry) -> None:
    """Take back what a creation has made that failed, or that a crash cut short. Idempotent; blocks."""
    remove_files(deps, entry.key)
    remove_volumes(deps, entry.detail.get("volumes", ()))
    deps.journal.done(entry)


def _volumes(deps: Deps, record: Container, anonymous: Mapping[str, str]) -> tuple[MountPoint, ...]:
    """The mounts, with their volumes made or found."""
    labels, options = volume_labels(record.host_config), volume_driver_options(record.host_config)
    return tuple(
        _volume(
            deps,
            msgspec.structs.replace(mount, name=anonymous.get(mount.destination, mount.name)),
            {**({ANONYMOUS_LABEL: ""} if mount.anonymous else {}), **labels.get(mount.destination, {})},
            options.get(mount.destination, {}),
        )
        if mount.type == "volume"
        else mount
        for mount in record.mounts
    )


def _volume(deps: Deps, mount: MountPoint, labels: Mapping[str, str], options: Mapping[str, str]) -> MountPoint:
    try:
        volume = deps.volumes.get(mount.name)
    except NotFound:
        volume = deps.volumes.create(mount.name, mount.driver or "local", labels=labels, options=options)
    return msgspec.structs.replace(mount, name=volume.name, source=volume.mountpoint, driver=volume.driver)
