"""``/containers``: files in and out of a container's file system, what changed in it, and all of it as a tar."""

import base64
from collections.abc import AsyncIterator

from aiohttp import web

from pier.api.call import Call
from pier.api.messages import send_bytes
from pier.api.replies import empty, encode, reply
from pier.api.routing import Route
from pier.containers import copy
from pier.errors import InvalidArgument

_STAT = "X-Docker-Container-Path-Stat"


def _path(call: Call) -> str:
    path = call.text("path")
    if not path:
        raise InvalidArgument("bad parameter: 'path' cannot be empty")
    return path


def _encoded(stat: copy.PathStat) -> str:
    return base64.b64encode(encode(stat)).decode()


async def stat_path(call: Call) -> web.Response:
    stat = await copy.stat(call.services.containers, call.name, _path(call))
    return web.Response(headers={_STAT: _encoded(stat)})


async def get_archive(call: Call) -> web.StreamResponse:
    found, chunks = await copy.get(call.services.containers, call.name, _path(call))
    return await send_bytes(call, chunks, "application/x-tar", {_STAT: _encoded(found)})


async def put_archive(call: Call) -> web.Response:
    await copy.put(
        call.services.containers,
        call.name,
        _path(call),
        _upload(call),
        no_overwrite_dir_non_dir=call.flag("noOverwriteDirNonDir"),
        copy_uid_gid=call.flag("copyUIDGID"),
    )
    return empty(200)


async def _upload(call: Call) -> AsyncIterator[bytes]:
    async for chunk in call.request.content.iter_any():
        yield chunk


async def export(call: Call) -> web.StreamResponse:
    chunks = await copy.export(call.services.containers, call.name)
    return await send_bytes(call, chunks, "application/octet-stream")


async def changes(call: Call) -> web.Response:
    found = await copy.changes(call.services.containers, call.name)
    return reply([{"Path": change.path, "Kind": int(change.kind)} for change in found] or None)


ROUTES = (
    Route("HEAD", "/containers/{name}/archive", stat_path),
    Route("GET", "/containers/{name}/archive", get_archive),
    Route("PUT", "/containers/{name}/archive", put_archive),
    Route("GET", "/containers/{name}/export", export),
    Route("GET", "/containers/{name}/changes", changes),
)
