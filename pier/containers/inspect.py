"""``inspect``: everything about one container, in the shape of API 1.51."""

import asyncio
from typing import Any

from pier.containers.container import Container
from pier.containers.deps import Deps
from pier.containers.links import shown as shown_links
from pier.containers.registry import Live
from pier.containers.view import config_json, host_config_json, mount_json, network_settings_json, state_json
from pier.errors import NotFound
from pier.events.timestamps import rfc3339


async def inspect(deps: Deps, reference: str, size: bool = False) -> dict[str, Any]:
    """The JSON of ``GET /containers/{id}/json``; ``size`` adds SizeRw and SizeRootFs (walks the files)."""
    live = deps.registry.find(reference)
    shown = _inspect(deps, live)
    if size:
        shown["SizeRw"], shown["SizeRootFs"] = await sizes(deps, live.record)
    return shown


async def sizes(deps: Deps, record: Container) -> tuple[int, int]:
    """Bytes of the writable layer, and of that and the image together."""
    try:
        own = await asyncio.to_thread(deps.snapshots.rw_usage, record.id)
    except NotFound:  # it is being removed
        own = 0
    return own, own + image_size(deps, record)


def image_size(deps: Deps, record: Container) -> int:
    total, chain = 0, deps.snapshots.layers()
    parent = chain.get(record.parent) if record.parent else None
    while parent is not None:
        total += parent.size
        parent = chain.get(parent.parent) if parent.parent else None
    return total


def network_ids(deps: Deps) -> dict[str, str]:
    return {network.name: network.id for network in deps.networks.list()}


def _inspect(deps: Deps, live: Live) -> dict[str, Any]:
    record = live.record
    folder = deps.folder(record.id) if record.state.started_at or record.state.error else None
    running = [exec_id for exec_id, each in live.execs.items() if each.running]
    return {
        "Id": record.id,
        "Created": rfc3339(record.created),
        "Path": record.path,
        "Args": record.args,
        "State": state_json(record),
        "Image": record.image_id,
        "ResolvConfPath": str(folder / "resolv.conf") if folder else "",
        "HostnamePath": str(folder / "hostname") if folder else "",
        "HostsPath": str(folder / "hosts") if folder else "",
        "LogPath": str(deps.log_path(record.id)) if folder else "",
        "Name": f"/{record.name}",
        "RestartCount": record.restart_count,
        "Driver": "overlay2",
        "Platform": "linux",
        "MountLabel": "",
        "ProcessLabel": "",
        "AppArmorProfile": "",
        "ExecIDs": running or None,
        "HostConfig": host_config_json(record.host_config) | {"Links": shown_links(record)},
        "GraphDriver": {"Data": _graph(deps, record), "Name": "overlay2"},
        "Mounts": [mount_json(mount) for mount in record.mounts],
        "Config": config_json(record.config),
        "NetworkSettings": network_settings_json(record, _bridge(deps), network_ids(deps)),
    }


def _graph(deps: Deps, record: Container) -> dict[str, str] | None:
    try:
        return deps.snapshots.rw_graph(record.id)
    except NotFound:  # it is being removed
        return None


def _bridge(deps: Deps) -> str:
    return deps.networks.find("bridge").bridge
