"""``POST /build/stream``: the builds of ``pier build``. Pier's own.

What answers is loaded with the first such request: an engine that builds nothing does not pay for it.
"""

import asyncio
import importlib
from typing import cast

from aiohttp import web

from pier.api.call import Call
from pier.api.routing import Route
from pier.api.server import UPGRADE
from pier.errors import InvalidArgument

PROTOCOL = "pier-build"


async def build_stream(call: Call) -> web.StreamResponse:
    asked = call.request.headers.get(UPGRADE, "none")
    if asked != PROTOCOL:
        raise InvalidArgument(f"an upgrade to {PROTOCOL} is needed, and {asked} was asked for")
    module = await asyncio.to_thread(importlib.import_module, "pier.api.buildstream.conduct")
    return cast(web.StreamResponse, await module.conduct(call))


ROUTES = (Route("POST", "/build/stream", build_stream),)
