"""``/exec``: one more process in a running container."""

import msgspec
from aiohttp import web

from pier.api.call import Call
from pier.api.containers import size_of
from pier.api.replies import empty, reply
from pier.api.routing import Route
from pier.api.streams import Taken, hijack, media_type, pump
from pier.containers import exec


class StartRequest(msgspec.Struct, frozen=True, rename="pascal"):
    """The body of ``POST /exec/{id}/start``; ``console_size`` is (height, width)."""

    detach: bool | None = False
    tty: bool | None = False
    console_size: tuple[int, int] | None = None


async def create_exec(call: Call) -> web.Response:
    request = exec.decode_exec(await call.json_bytes())
    return reply({"Id": await exec.create(call.services.containers, call.name, request)}, 201)


async def start_exec(call: Call) -> web.StreamResponse:
    """The connection is taken before the process starts, as in Docker: clients rely on the head coming first."""
    body = await call.json(StartRequest, optional=True)
    deps = call.services.containers
    found = exec.startable(deps, call.name)
    if body.detach:
        await exec.start(deps, call.name, detach=True)
        return empty(200)
    stream = hijack(call, media_type(call, found.request.tty))
    try:
        stdio = await exec.start(deps, call.name, tty=bool(body.tty), console_size=body.console_size)
    except BaseException:
        stream.close()
        raise
    if stdio is not None:
        await pump(stream, stdio, tty=stdio.tty)
    return Taken()


async def inspect_exec(call: Call) -> web.Response:
    return reply(exec.inspect(call.services.containers, call.name))


async def resize_exec(call: Call) -> web.Response:
    height, width = size_of(call)
    await exec.resize(call.services.containers, call.name, height, width)
    return empty(200)


ROUTES = (
    Route("POST", "/containers/{name}/exec", create_exec),
    Route("POST", "/exec/{name}/start", start_exec),
    Route("POST", "/exec/{name}/resize", resize_exec),
    Route("GET", "/exec/{name}/json", inspect_exec),
)
