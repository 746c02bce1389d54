"""Lists over HTTP: tags, repositories, referrers."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Final

import msgspec
from aiohttp import web

from pier.oci import mediatypes
from pier.registry.blobs.digests import parsed
from pier.registry.http.call import Call
from pier.registry.http.pages import Page, link, page_of
from pier.registry.http.replies import document
from pier.registry.manifests.catalogue import catalogue
from pier.registry.manifests.get import referrers, tags
from pier.registry.model import Referrer
from pier.registry.refusals import Refusal

_CATALOGUE_PAGE: Final = 100
_REFERRERS_PAGE: Final = 500
_REFERRERS_BYTES: Final = 1 << 20
_AT_A_TIME: Final = 50


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
    """An index of what has this digest as its subject, a page of it; empty where nothing has.

    No page is larger than clients take a manifest to be, whatever its entries' annotations are.
    """
    wanted = call.query("artifactType")
    page = page_of(call.request.query, _REFERRERS_PAGE, _REFERRERS_PAGE)
    if page.after:
        parsed(page.after)
    shown: list[dict[str, object]] = []
    headers = {"OCI-Filters-Applied": "artifactType"} if wanted else {}
    room = _REFERRERS_BYTES
    async with aclosing(_in_order(call, wanted, page.after)) as referrers:
        async for each in referrers:
            room -= len(msgspec.json.encode(each))
            if len(shown) == page.size or (shown and room < 0):
                headers |= _following(call, page, wanted, shown)
                break
            shown.append(each)
    index = {"schemaVersion": 2, "mediaType": mediatypes.OCI_INDEX, "manifests": shown}
    return document(index, headers, mediatypes.OCI_INDEX)


def _following(call: Call, page: Page, wanted: str, shown: list[dict[str, object]]) -> dict[str, str]:
    if not shown:
        return {}
    filters = {"artifactType": wanted} if wanted else {}
    return link(
        f"/v2/{call.repository}/referrers/{call.digest}", {**filters, "last": shown[-1]["digest"], "n": page.size}
    )


async def _in_order(call: Call, wanted: str, after: str) -> AsyncGenerator[dict[str, object], None]:
    """Ours and the upstream's, by their digests; ours of those that both have."""
    there = {
        each.digest: each
        for each in (await call.cache.referrers(call.repository, call.digest) if call.cache else ())
        if each.digest > after and wanted in ("", each.artifact_type)
    }
    theirs = sorted(there, reverse=True)
    async for own in _own(call, wanted, after):
        while theirs and theirs[-1] <= own.digest:
            if (digest := theirs.pop()) < own.digest:
                yield msgspec.to_builtins(there[digest])
        yield _descriptor(own)
    for digest in reversed(theirs):
        yield msgspec.to_builtins(there[digest])


async def _own(call: Call, wanted: str, after: str) -> AsyncIterator[Referrer]:
    while some := await referrers(call.registry, call.repository, call.digest, wanted, after, _AT_A_TIME):
        for each in some:
            yield each
        after = some[-1].digest


def _descriptor(referrer: Referrer) -> dict[str, object]:
    described: dict[str, object] = {
        "mediaType": referrer.media_type,
        "digest": referrer.digest,
        "size": referrer.length,
    }
    if referrer.artifact_type:
        described["artifactType"] = referrer.artifact_type
    if referrer.annotations:
        described["annotations"] = referrer.annotations
    return described
