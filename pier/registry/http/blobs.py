"""Blobs over HTTP: ``/v2/<name>/blobs/<digest>``."""

from contextlib import aclosing
from typing import Final

from aiohttp import web

from pier.oci.digest import Digest
from pier.registry.blobs.delete import delete
from pier.registry.blobs.read import head
from pier.registry.http.call import Call
from pier.registry.http.conditions import in_hand, still
from pier.registry.http.ranges import wanted
from pier.registry.http.replies import reply
from pier.registry.http.sending import send, send_pieces
from pier.registry.model import Blob
from pier.registry.refusals import Code, Refusal
from pier.registry.upstream.download import Download

_FOR_GOOD: Final = "max-age=31536000"
_URL_LIFE: Final = 1200
_KIND: Final = {"Accept-Ranges": "bytes", "Content-Type": "application/octet-stream"}


async def show(call: Call) -> web.StreamResponse:
    """GET and HEAD. A pusher's HEAD keeps the blob for the manifest that it is about to push."""
    digest = call.match.reference
    keep = call.heads_only and await call.principal.may("push", call.repository)
    try:
        found: Blob | Download = await head(call.registry, call.repository, digest, keep=keep, holder=call.holder)
    except Refusal as refusal:
        if call.cache is None or keep or refusal.code is not Code.BLOB_UNKNOWN:
            raise
        if call.heads_only:
            return _head(call.digest, await call.cache.size(call.repository, call.digest))
        found = await call.cache.blob(call.repository, call.digest)
    if call.cache is not None and not call.heads_only:
        call.cache.used(call.repository, call.digest)
    if in_hand(call.header("If-None-Match"), found.digest):
        return reply(304, _headers(found.digest))
    if call.heads_only:
        return _head(found.digest, found.size)
    if isinstance(found, Blob) and call.registry.settings.redirect:
        url = await call.registry.storage.url(found.location, _URL_LIFE)
        if url:
            return reply(307, {"Location": url, "Docker-Content-Digest": found.digest})
    return await _bytes(call, found)


async def _bytes(call: Call, found: Blob | Download) -> web.StreamResponse:
    fits = still(call.header("If-Range"), found.digest)
    part = wanted(call.header("Range"), found.size) if fits else None
    start, stop = part or (0, found.size)
    answer = web.StreamResponse(status=206 if part else 200, headers=_headers(found.digest) | _KIND)
    if part:
        answer.headers["Content-Range"] = f"bytes {start}-{stop - 1}/{found.size}"
    if isinstance(found, Blob):
        return await send(call, found.location, start, stop, answer)
    answer.content_length = stop - start
    async with aclosing(found.read(start, stop)) as pieces:
        return await send_pieces(call, pieces, answer)


def _headers(digest: Digest) -> dict[str, str]:
    return {"Docker-Content-Digest": digest, "ETag": f'"{digest}"', "Cache-Control": _FOR_GOOD}


def _head(digest: Digest, size: int) -> web.Response:
    return web.Response(headers={**_headers(digest), **_KIND, "Content-Length": str(size)})


async def remove(call: Call) -> web.StreamResponse:
    await delete(call.registry, call.repository, call.match.reference)
    return reply(202)
