"""Manifests over HTTP: ``/v2/<name>/manifests/<reference>``."""

from aiohttp import web

from pier.oci.digest import is_digest
from pier.registry.http.call import Call
from pier.registry.http.conditions import in_hand
from pier.registry.http.replies import refused, reply
from pier.registry.manifests.delete import delete
from pier.registry.manifests.get import get
from pier.registry.manifests.put import put
from pier.registry.model import Cached, Manifest
from pier.registry.refusals import Code, Refusal


async def show(call: Call) -> web.StreamResponse:
    """GET and HEAD: the bytes as they were pushed, whatever the client says that it accepts."""
    reference = call.match.reference
    found = await _found(call, reference)
    headers = {"Docker-Content-Digest": found.digest, "ETag": f'"{found.digest}"'}
    if is_digest(reference):
        headers["Cache-Control"] = "max-age=31536000"
    if in_hand(call.header("If-None-Match"), found.digest):
        return reply(304, headers)
    answer = web.Response(body=found.data, headers=headers)
    answer.headers["Content-Type"] = found.media_type
    return answer


async def _found(call: Call, reference: str) -> Manifest | Cached:
    try:
        return await get(call.registry, call.repository, reference, pull=not call.heads_only)
    except Refusal as refusal:
        found = await call.cache.manifest(call.repository, reference) if call.cache and _lacking(refusal) else None
        if found is None:
            raise
        return found


def _lacking(refusal: Refusal) -> bool:
    return refusal.code is Code.MANIFEST_UNKNOWN


async def store(call: Call) -> web.StreamResponse:
    most = call.registry.settings.largest_manifest
    repository = call.repository
    data = await call.whole_body(most)
    if data is None:
        large = Refusal(Code.MANIFEST_INVALID, "manifest invalid", f"the manifest is larger than {most} bytes")
        answer = refused(large, 413)
        answer.force_close()
        return answer
    content_type = call.header("Content-Type") or ""
    stored = await put(
        call.registry,
        repository,
        call.match.reference,
        content_type,
        data,
        call.principal.name,
        holder=call.holder,
    )
    digest = stored.manifest.digest
    headers = {"Location": f"/v2/{repository}/manifests/{digest}", "Docker-Content-Digest": digest}
    if stored.manifest.subject:
        headers["OCI-Subject"] = stored.manifest.subject
    return reply(201, headers)


async def remove(call: Call) -> web.StreamResponse:
    """Of what was pulled through, what is kept goes; the upstream has it still."""
    repository, reference = call.repository, call.match.reference
    try:
        call.concerned = await delete(call.registry, repository, reference, call.principal.name)
    except Refusal as refusal:
        if call.cache is None or not _lacking(refusal) or not await call.cache.drop(repository, reference):
            raise
    return reply(202)
