"""Blobs over HTTP: ``/v2/<name>/blobs/<digest>``."""

from typing import Final

from aiohttp import web

from pier.registry.blobs.delete import delete
from pier.registry.blobs.read import head
from pier.registry.http.call import Call
from pier.registry.http.ranges import wanted
from pier.registry.http.replies import reply
from pier.registry.http.sending import send
from pier.registry.model import Blob

_FOR_GOOD: Final = "max-age=31536000"
_URL_LIFE: Final = 1200


async def show(call: Call) -> web.StreamResponse:
    """GET and HEAD. A pusher's HEAD keeps the blob for the manifest that it is about to push."""
    digest = call.match.reference
    keep = call.heads_only and await call.principal.may("push", call.repository)
    blob = await head(call.registry, call.repository, digest, keep=keep, holder=call.holder)
    headers = {"Docker-Content-Digest": blob.digest, "ETag": f'"{blob.digest}"', "Cache-Control": _FOR_GOOD}
    if blob.digest in (call.header("If-None-Match") or ""):
        return reply(304, headers)
    headers |= {"Accept-Ranges": "bytes", "Content-Type": "application/octet-stream"}
    if call.heads_only:
        return web.Response(headers={**headers, "Content-Length": str(blob.size)})
    if call.registry.settings.redirect and (url := await call.registry.storage.url(blob.location, _URL_LIFE)):
        return reply(307, {"Location": url, "Docker-Content-Digest": blob.digest})
    part = None if _changed(call, blob) else wanted(call.header("Range"), blob.size)
    start, stop = part or (0, blob.size)
    answer = web.StreamResponse(status=206 if part else 200, headers=headers)
    if part:
        answer.headers["Content-Range"] = f"bytes {start}-{stop - 1}/{blob.size}"
    return await send(call, blob.location, start, stop, answer)


def _changed(call: Call, blob: Blob) -> bool:
    """A range is asked for only if the blob is still what it was: of a digest it is."""
    condition = call.header("If-Range")
    return condition is not None and blob.digest not in condition


async def remove(call: Call) -> web.StreamResponse:
    await delete(call.registry, call.repository, call.match.reference)
    return reply(202)
