"""Referrers: from registries that know of them, page by page, and from a tag where they do not."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from pier.errors import DataCorrupted
from pier.oci import mediatypes
from pier.oci.digest import sha256
from pier.oci.reference import parse_reference
from pier.remote.client import Registries
from pier.remote.referrers import referrers
from pier.remote.repository import Repository
from pier.testing.faulty_registry import FaultyRegistry, faulty_registry

SUBJECT = sha256(b"the image")


@pytest.fixture
async def registry() -> AsyncIterator[FaultyRegistry]:
    async with faulty_registry() as made:
        yield made


@pytest.fixture
async def repository(registry: FaultyRegistry) -> AsyncIterator[Repository]:
    registries = Registries()
    yield await registries.repository(parse_reference(f"{registry.host}/team/app"))
    await registries.close()


def index(*kinds: str) -> dict[str, Any]:
    entries = [
        {"mediaType": mediatypes.OCI_MANIFEST, "digest": sha256(kind.encode()), "size": 5, "artifactType": kind}
        for kind in kinds
    ]
    return {"schemaVersion": 2, "mediaType": mediatypes.OCI_INDEX, "manifests": entries}


async def test_page_by_page(registry: FaultyRegistry, repository: Repository) -> None:
    async def pages(registry: FaultyRegistry, request: web.Request) -> web.StreamResponse:
        more = {} if request.query.get("page") else {"Link": f'<{request.path}?page=2>; rel="next"'}
        body = index("c") if request.query.get("page") else index("a", "b")
        return web.Response(text=json.dumps(body), content_type=mediatypes.OCI_INDEX, headers=more)

    registry.misbehave(f"GET /v2/team/app/referrers/{SUBJECT}$", pages)
    assert [each.artifact_type for each in await referrers(repository, SUBJECT)] == ["a", "b", "c"]
    assert [each.digest for each in await referrers(repository, SUBJECT, "b")] == [sha256(b"b")]


async def refuse(registry: FaultyRegistry, request: web.Request) -> web.StreamResponse:
    return web.Response(status=404, text="page not found")


async def test_the_tag_of_a_registry_that_does_not_know(registry: FaultyRegistry, repository: Repository) -> None:
    registry.misbehave("GET .*/referrers/", refuse)
    assert await referrers(repository, SUBJECT) == []
    registry.add_manifest("team/app", SUBJECT.replace(":", "-"), index("a", "b"))
    assert [each.artifact_type for each in await referrers(repository, SUBJECT, "a")] == ["a"]


async def test_what_is_no_index(registry: FaultyRegistry, repository: Repository) -> None:
    async def nonsense(registry: FaultyRegistry, request: web.Request) -> web.StreamResponse:
        return web.Response(text="[]")

    registry.misbehave("GET .*/referrers/", nonsense)
    with pytest.raises(DataCorrupted):
        await referrers(repository, SUBJECT)
