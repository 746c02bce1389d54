"""``/_ping``, ``/version``, ``/info``, and Pier's own ``/system/fsck``."""

from aiohttp import web

from pier.api import versions
from pier.api.call import Call
from pier.api.replies import reply
from pier.api.routing import Route


async def ping(call: Call) -> web.Response:
    response = web.Response(text="OK" if call.request.method == "GET" else None, content_type="text/plain")
    response.headers.update(
        {
            "Cache-Control": "no-cache, no-store, must-revalidate",
            "Pragma": "no-cache",
            "Builder-Version": "2",
            "Swarm": "inactive",
        }
    )
    return response


async def version(call: Call) -> web.Response:
    return reply(call.services.system.version())


async def info(call: Call) -> web.Response:
    return reply(versions.info(await call.services.system.info(), call.version))


async def fsck(call: Call) -> web.Response:
    """Compare what is on disk and in the kernel with the records; an extension of Pier's."""
    return reply({"Findings": await call.services.system.findings(call.services, fix=call.flag("fix"))})


ROUTES = (
    Route("GET", "/_ping", ping),
    Route("HEAD", "/_ping", ping),
    Route("GET", "/version", version),
    Route("GET", "/info", info),
    Route("GET", "/system/fsck", fsck),
)
