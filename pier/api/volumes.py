"""``/volumes``."""

import asyncio
from typing import Any

import msgspec
from aiohttp import web

from pier.api.call import Call
from pier.api.replies import empty, reply
from pier.api.routing import Route
from pier.errors import Unsupported
from pier.events.filters import parse_filters
from pier.volumes.volume import Volume


class CreateVolume(msgspec.Struct, frozen=True, rename="pascal"):
    """The body of ``POST /volumes/create``."""

    name: str | None = ""
    driver: str | None = ""
    driver_opts: dict[str, str] | None = None
    labels: dict[str, str] | None = None
    cluster_volume_spec: dict[str, Any] | None = None


def describe(volume: Volume) -> dict[str, Any]:
    return {
        "CreatedAt": volume.created,
        "Driver": volume.driver,
        "Labels": volume.labels or None,
        "Mountpoint": volume.mountpoint,
        "Name": volume.name,
        "Options": volume.options or None,
        "Scope": volume.scope,
    }


async def list_volumes(call: Call) -> web.Response:
    filters = parse_filters(call.text("filters"))
    found = call.services.volumes.list(filters.values)
    return reply({"Volumes": [describe(volume) for volume in found], "Warnings": None})


async def create_volume(call: Call) -> web.Response:
    body = await call.json(CreateVolume)
    if body.cluster_volume_spec:
        raise Unsupported("cluster volumes need a swarm")
    made = await asyncio.to_thread(
        call.services.volumes.create,
        body.name or "",
        body.driver or "local",
        labels=body.labels or {},
        options=body.driver_opts or {},
    )
    return reply(describe(made), 201)


async def inspect_volume(call: Call) -> web.Response:
    return reply(describe(call.services.volumes.get(call.name)))


async def remove_volume(call: Call) -> web.Response:
    await asyncio.to_thread(call.services.volumes.remove, call.name, force=call.flag("force"))
    return empty()


async def prune_volumes(call: Call) -> web.Response:
    """Before 1.42 a prune took the named ones too."""
    filters = dict(parse_filters(call.text("filters")).values)
    if call.version < (1, 42):
        filters.setdefault("all", ("true",))
    names, freed = await asyncio.to_thread(call.services.volumes.prune, filters)
    return reply({"VolumesDeleted": list(names) or None, "SpaceReclaimed": freed})


ROUTES = (
    Route("GET", "/volumes", list_volumes),
    Route("POST", "/volumes/create", create_volume),
    Route("POST", "/volumes/prune", prune_volumes),
    Route("GET", "/volumes/{name}", inspect_volume),
    Route("DELETE", "/volumes/{name}", remove_volume),
)
