"""``POST /grpc`` and ``POST /session``: HTTP gives the connection up, and gRPC goes on over it.

Over the first the client calls us; over the second we call the client. What answers is loaded with the first of
these requests: an engine that builds nothing does not pay for it.
"""

import asyncio
import importlib
from typing import TYPE_CHECKING, cast

from aiohttp import web

from pier.api.call import Call
from pier.api.routing import Route
from pier.api.server import UPGRADE
from pier.api.streams import Taken
from pier.errors import InvalidArgument

if TYPE_CHECKING:
    from pier.api.buildkit.hub import Hub


async def hub_of(call: Call) -> "Hub":
    """What all connections of this engine share, made with the first."""
    shared = call.services.shared
    if "buildkit" not in shared:
        module = await asyncio.to_thread(importlib.import_module, "pier.api.buildkit.hub")
        if "buildkit" not in shared:
            shared["buildkit"] = module.Hub(call.services)
    return cast("Hub", shared["buildkit"])


async def grpc(call: Call) -> web.StreamResponse:
    _require_h2c(call)
    hub = await hub_of(call)
    from pier.api.buildkit.transport import serve

    await serve(call, hub.server)
    return Taken()


async def session(call: Call) -> web.StreamResponse:
    _require_h2c(call)
    hub = await hub_of(call)
    from pier.api.buildkit.transport import connect

    hub.sessions.check(call.request.headers)
    async with connect(call) as channel:
        with hub.sessions.joined(call.request.headers, channel):
            await channel.lost.wait()
    return Taken()


def _require_h2c(call: Call) -> None:
    asked = call.request.headers.get(UPGRADE, "none")
    if asked == "none":
        raise InvalidArgument("no upgrade proto in request")
    if asked.lower() != "h2c":
        raise InvalidArgument(f"protocol {asked} not supported")


ROUTES = (Route("POST", "/grpc", grpc), Route("POST", "/session", session))
