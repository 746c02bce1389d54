"""``ps``: the containers that a filter lets through, newest first."""

import time
from typing import Any

from pier.containers.container import Container
from pier.containers.deps import Deps
from pier.containers.inspect import network_ids, sizes
from pier.containers.ports import port_list
from pier.containers.selection import select
from pier.containers.texts import status_text
from pier.containers.view import command_text, mount_json, networks_json, ports_json
from pier.errors import InvalidArgument, NotFound
from pier.events.filters import NO_FILTERS, Filters
from pier.images import lookup


async def containers(
    deps: Deps, *, all: bool = False, limit: int = -1, size: bool = False, filters: Filters = NO_FILTERS
) -> list[dict[str, Any]]:
    """The JSON of ``GET /containers/json``. ``limit`` above 0 includes stopped ones, as ``all`` does."""
    selection = select(deps, filters)
    stopped = all or limit > 0 or selection.stopped
    records = [live.record for live in deps.registry if stopped or live.record.state.running]
    chosen = sorted(filter(selection.wanted, records), key=lambda record: record.created, reverse=True)
    chosen = chosen[:limit] if limit > 0 else chosen
    summaries = _summaries(deps, chosen)
    if size:
        for record, summary in zip(chosen, summaries, strict=True):
            summary["SizeRw"], summary["SizeRootFs"] = await sizes(deps, record)
    return summaries


def _summaries(deps: Deps, records: list[Container]) -> list[dict[str, Any]]:
    now, names, ids = time.time_ns(), _ImageNames(deps), network_ids(deps)
    return [_summary(record, names.of(record), ids, now) for record in records]


def _summary(record: Container, image: str, ids: dict[str, str], now: int) -> dict[str, Any]:
    host: dict[str, Any] = {"NetworkMode": record.host_config.network_mode}
    if record.host_config.annotations:
        host["Annotations"] = record.host_config.annotations
    return {
        "Id": record.id,
        "Names": [f"/{record.name}"],
        "Image": image,
        "ImageID": record.image_id,
        "Command": command_text(record.path, record.args),
        "Created": record.created // 1_000_000_000,
        "Ports": port_list(ports_json(record)),
        "Labels": record.labels,
        "State": record.state.status,
        "Status": status_text(record.state, now),
        "HostConfig": host,
        "NetworkSettings": {"Networks": networks_json(record, ids)},
        "Mounts": [mount_json(mount) for mount in record.mounts],
    }


class _ImageNames:
    """What to call a container's image: as the user wrote it while that still means it, else by its id."""

    def __init__(self, deps: Deps) -> None:
        self._deps = deps
        self._known: dict[str, str] = {}

    def of(self, record: Container) -> str:
        name = record.image_name
        if name not in self._known:
            self._known[name] = self._meaning(name)
        return name if self._known[name] == record.image_id else record.image_id

    def _meaning(self, name: str) -> str:
        try:
            return lookup.resolve(self._deps.images, name)
        except (NotFound, InvalidArgument):
            return ""
