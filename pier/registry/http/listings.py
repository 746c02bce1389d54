"""Lists over HTTP: tags, repositories, referrers."""

import msgspec
from aiohttp import web

from pier.oci import mediatypes
from pier.registry.http.call import Call
from pier.registry.http.pages import Page, page_of
from pier.registry.http.replies import document
from pier.registry.manifests.catalogue import catalogue
from pier.registry.manifests.get import referrers, tags
from pier.registry.model import Manifest
from pier.registry.refusals import Refusal

_CATALOGUE_PAGE = 100


async def base(call: Call) -> web.StreamResponse:
    return document({})


async def tag_list(call: Call) -> web.StreamResponse:
    page = page_of(call.request.query)
    repository = call.repository
    found = await _tags(call, page)
    links = page.link(f"/v2/{repository}/tags/list", found)
    return document({"name": repository, "tags": page.cut(found)}, links)


async def _tags(call: Call, page: Page) -> list[str]:
    """Those that were pushed here, and those of the upstream. Raises Refusal NAME_UNKNOWN where there is neither."""
    through = await call.cache.tags(call.repository) if call.cache else None
    try:
        found = await tags(call.registry, call.repository, page.after, page.limit)
    except Refusal:
        if not through:
            raise
        found = []
    if not through:
        return found
    return sorted({*found, *(each for each in through if each > page.after)})[: page.limit or None]


async def repositories(call: Call) -> web.StreamResponse:
    page = page_of(call.request.query, _CATALOGUE_PAGE)
    found = await catalogue(call.registry, call.principal, page.after, page.limit)
    return document({"repositories": page.cut(found)}, page.link("/v2/_catalog", found))


async def referrer_index(call: Call) -> web.StreamResponse:
    """An index of what has this digest as its subject; empty where nothing has."""
    wanted = call.query("artifactType")
    found = await referrers(call.registry, call.repository, call.digest, wanted)
    described = {str(each.digest): _descriptor(each) for each in found}
    for each in await call.cache.referrers(call.repository, call.digest) if call.cache else ():
        if wanted in ("", each.artifact_type):
            described.setdefault(each.digest, msgspec.to_builtins(each))
    index = {"schemaVersion": 2, "mediaType": mediatypes.OCI_INDEX, "manifests": list(described.values())}
    return document(index, {"OCI-Filters-Applied": "artifactType"} if wanted else None, mediatypes.OCI_INDEX)


def _descriptor(manifest: Manifest) -> dict[str, object]:
    described: dict[str, object] = {
        "mediaType": manifest.media_type,
        "digest": manifest.digest,
        "size": len(manifest.data),
    }
    if manifest.artifact_type:
        described["artifactType"] = manifest.artifact_type
    if manifest.annotations:
        described["annotations"] = manifest.annotations
    return described
