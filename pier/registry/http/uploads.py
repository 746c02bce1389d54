"""Uploads over HTTP: ``/v2/<name>/blobs/uploads/``."""

from collections.abc import AsyncIterator

from aiohttp import web

from pier.registry.blobs.append import append as append_to
from pier.registry.blobs.digests import parsed
from pier.registry.blobs.finish import finish as finish_as
from pier.registry.blobs.finish import monolithic
from pier.registry.blobs.mount import mount
from pier.registry.blobs.uploads import begin as begin_upload
from pier.registry.blobs.uploads import cancel as cancel_upload
from pier.registry.blobs.uploads import status as status_of
from pier.registry.http.call import Call
from pier.registry.http.ranges import offered, reached
from pier.registry.http.replies import reply
from pier.registry.model import Blob, Upload
from pier.registry.refusals import Code, Refusal

_MOST_HOMES = 100


async def begin(call: Call) -> web.StreamResponse:
    """POST: mount a blob that is here, or take all of one, or begin an upload."""
    repository = call.repository
    if "mount" in call.request.query and (mounted := await _mounted(call, repository)):
        return _created(repository, mounted)
    if digest := call.query("digest"):
        blob = await monolithic(
            call.registry, repository, digest, call.body(), expected=_expected(call), holder=call.holder
        )
        return _created(repository, blob)
    return _accepted(await begin_upload(call.registry, repository, holder=call.holder), 202)


async def _mounted(call: Call, repository: str) -> Blob | None:
    """None where there is nothing to mount, or not for this client: then it brings the bytes."""
    for source in await _sources(call):
        if await call.principal.may("pull", source):
            found = await mount(call.registry, repository, source, call.query("mount"), holder=call.holder)
            if found is not None:
                return found
    return None


async def _sources(call: Call) -> list[str]:
    """Where the client says, else wherever the blob is."""
    if source := call.query("from"):
        through = call.cache.places.of(source) if call.cache else None
        return [source, through.repository] if through else [source]
    try:
        digest = parsed(call.query("mount"))
    except Refusal:
        return []
    return await call.registry.records.homes(digest, _MOST_HOMES)


async def status(call: Call) -> web.StreamResponse:
    return _accepted(await status_of(call.registry, call.repository, call.match.reference), 204)


async def append(call: Call) -> web.StreamResponse:
    """PATCH: with a range it has to fit; without one it goes behind what is there."""
    span = offered(call.header("Content-Range"))
    upload = await append_to(
        call.registry,
        call.repository,
        call.match.reference,
        _spanned(call, span),
        start=span[0] if span else None,
        expected=_expected(call),
        holder=call.holder,
    )
    return _accepted(upload, 202)


async def finish(call: Call) -> web.StreamResponse:
    """PUT: with the last bytes, or all of them, or none."""
    span = offered(call.header("Content-Range")) if call.request.body_exists else None
    repository = call.repository
    blob = await finish_as(
        call.registry,
        repository,
        call.match.reference,
        call.query("digest"),
        _spanned(call, span),
        start=span[0] if span else None,
        expected=_expected(call),
        holder=call.holder,
    )
    return _created(repository, blob)


async def cancel(call: Call) -> web.StreamResponse:
    await cancel_upload(call.registry, call.repository, call.match.reference)
    return reply(204)


async def _spanned(call: Call, span: tuple[int, int] | None) -> AsyncIterator[bytes]:
    """The body, which must not be longer than its range says. Raises Refusal SIZE_INVALID."""
    room = span[1] - span[0] if span else None
    length = call.request.content_length
    if room is not None and length is not None and length != room:
        raise _wrong_size(room, length)
    async for piece in call.body():
        if room is not None and call.received > room:
            raise _wrong_size(room, call.received)
        yield piece


def _expected(call: Call) -> int:
    """Bytes that the client says it brings; 0 where it does not."""
    return call.request.content_length or 0


def _wrong_size(said: int, sent: int) -> Refusal:
    return Refusal(Code.SIZE_INVALID, "provided length did not match content length", {"range": said, "length": sent})


def _accepted(upload: Upload, code: int) -> web.StreamResponse:
    headers = {
        "Location": f"/v2/{upload.repository}/blobs/uploads/{upload.id}",
        "Range": reached(upload.offset),
        "Docker-Upload-UUID": upload.id,
    }
    return reply(code, headers)


def _created(repository: str, blob: Blob) -> web.StreamResponse:
    return reply(201, {"Location": f"/v2/{repository}/blobs/{blob.digest}", "Docker-Content-Digest": blob.digest})
