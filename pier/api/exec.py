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
    body = await call.json(StartRequest, optional=True)
    stdio = await exec.start(
        call.services.containers,
        call.name,
        detach=bool(body.detach),
        tty=bool(body.tty),
        console_size=body.console_size,
    )
    if stdio is None:
        return empty(200)
    try:
        stream = hijack(call, media_type(call, stdio.tty))
    except ConnectionError:
        await stdio.close()
        raise
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
