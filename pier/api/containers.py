"""``/containers``: creating, listing, and the verbs that answer with little or nothing."""

from typing import Any

from aiohttp import web

from pier.api import versions
from pier.api.call import Call
from pier.api.replies import empty, reply
from pier.api.routing import Route
from pier.containers import (
    create,
    inspect,
    kill,
    listing,
    pause,
    prune,
    remove,
    rename,
    resize,
    start,
    stop,
    top,
    update,
)
from pier.containers.config import decode_create
from pier.errors import InvalidArgument
from pier.events.filters import parse_filters
from pier.oci.platform import parse_platform


async def list_containers(call: Call) -> web.Response:
    found = await listing.containers(
        call.services.containers,
        all=call.flag("all"),
        limit=call.integer("limit", -1) or -1,
        size=call.flag("size"),
        filters=parse_filters(call.text("filters")),
    )
    return reply([versions.container_summary(each, call.version) for each in found])


async def create_container(call: Call) -> web.Response:
    request = decode_create(versions.create_request(await call.json_bytes(), call.version))
    platform = parse_platform(call.text("platform")) if call.text("platform") else None
    created = await create.create(call.services.containers, call.text("name"), request, platform)
    return reply({"Id": created.id, "Warnings": list(created.warnings)}, 201)


async def inspect_container(call: Call) -> web.Response:
    found = await inspect.inspect(call.services.containers, call.name, call.flag("size"))
    return reply(versions.container(found, call.version))


async def start_container(call: Call) -> web.Response:
    await start.start(call.services.containers, call.name)
    return empty()


async def stop_container(call: Call) -> web.Response:
    await stop.stop(call.services.containers, call.name, call.integer("t"), call.text("signal"))
    return empty()


async def restart_container(call: Call) -> web.Response:
    await stop.restart(call.services.containers, call.name, call.integer("t"), call.text("signal"))
    return empty()


async def kill_container(call: Call) -> web.Response:
    await kill.kill(call.services.containers, call.name, call.text("signal") or "KILL")
    return empty()


async def pause_container(call: Call) -> web.Response:
    await pause.pause(call.services.containers, call.name)
    return empty()


async def unpause_container(call: Call) -> web.Response:
    await pause.unpause(call.services.containers, call.name)
    return empty()


async def rename_container(call: Call) -> web.Response:
    await rename.rename(call.services.containers, call.name, call.text("name"))
    return empty()


async def resize_container(call: Call) -> web.Response:
    height, width = size_of(call)
    await resize.resize(call.services.containers, call.name, height, width)
    return empty(200)


def size_of(call: Call) -> tuple[int, int]:
    """The ``h`` and ``w`` of a resize. Raises InvalidArgument."""
    height, width = call.integer("h"), call.integer("w")
    if height is None or width is None:
        missing = "h" if height is None else "w"
        raise InvalidArgument(f'invalid resize {"height" if missing == "h" else "width"} "": invalid syntax')
    if not (0 <= height <= 0xFFFF and 0 <= width <= 0xFFFF):
        raise InvalidArgument(f"invalid resize {width}x{height}: each must be from 0 to 65535")
    return height, width


async def update_container(call: Call) -> web.Response:
    body = await call.json(dict[str, Any])
    return reply({"Warnings": await update.update(call.services.containers, call.name, body)})


async def remove_container(call: Call) -> web.Response:
    await remove.remove(
        call.services.containers, call.name, force=call.flag("force"), volumes=call.flag("v"), link=call.flag("link")
    )
    return empty()


async def prune_containers(call: Call) -> web.Response:
    pruned = await prune.prune(call.services.containers, parse_filters(call.text("filters")))
    return reply({"ContainersDeleted": list(pruned.ids) or None, "SpaceReclaimed": pruned.reclaimed})


async def top_container(call: Call) -> web.Response:
    return reply(await top.top(call.services.containers, call.name, call.text("ps_args", "-ef")))


ROUTES = (
    Route("GET", "/containers/json", list_containers),
    Route("POST", "/containers/create", create_container),
    Route("POST", "/containers/prune", prune_containers),
    Route("GET", "/containers/{name}/json", inspect_container),
    Route("GET", "/containers/{name}/top", top_container),
    Route("POST", "/containers/{name}/start", start_container),
    Route("POST", "/containers/{name}/stop", stop_container),
    Route("POST", "/containers/{name}/restart", restart_container),
    Route("POST", "/containers/{name}/kill", kill_container),
    Route("POST", "/containers/{name}/pause", pause_container),
    Route("POST", "/containers/{name}/unpause", unpause_container),
    Route("POST", "/containers/{name}/rename", rename_container),
    Route("POST", "/containers/{name}/resize", resize_container),
    Route("POST", "/containers/{name}/update", update_container),
    Route("DELETE", "/containers/{name}", remove_container),
)
