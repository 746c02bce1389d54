"""Manifests over HTTP: ``/v2/<name>/manifests/<reference>``."""

from aiohttp import web

from pier.oci.digest import is_digest
from pier.registry.http.call import Call
from pier.registry.http.replies import refused, reply
from pier.registry.manifests.delete import delete
from pier.registry.manifests.get import get
from pier.registry.manifests.put import put
from pier.registry.refusals import Code, Refusal


async def show(call: Call) -> web.StreamResponse:
    """GET and HEAD: the bytes as they were pushed, whatever the client says that it accepts."""
    reference = call.match.reference
    known = (call.header("If-None-Match") or "").strip()
    found = await get(call.registry, call.repository, reference, pull=not call.heads_only)
    headers = {"Docker-Content-Digest": found.digest, "ETag": f'"{found.digest}"'}
    if is_digest(reference):
        headers["Cache-Control"] = "max-age=31536000"
    if known and found.digest in known:
        return reply(304, headers)
    answer = web.Response(body=found.data, headers=headers)
    answer.headers["Content-Type"] = found.media_type
    return answer


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
    call.concerned = await delete(call.registry, call.repository, call.match.reference, call.principal.name)
    return reply(202)
