"""Long lists of what refers to a manifest: they come in pages, as the specification has it, and clients follow them."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from yarl import URL

from pier.oci import mediatypes
from pier.oci.digest import Digest, sha256
from pier.oci.manifest import MAX_MANIFEST_BYTES
from pier.oci.reference import parse_reference
from pier.remote.client import Registries
from pier.remote.referrers import referrers
from pier.testing.postgres import postgres
from pier.testing.registryserver import PierRegistry, pier_registry
from tests.system.registry.images import push_blob

SUBJECT = sha256(b"the image")
WHERE = f"/v2/team/app/referrers/{SUBJECT}"
KINDS = ("application/x-sbom", "application/x signature&more")


@pytest.fixture
async def registry(tmp_path: Path) -> AsyncIterator[PierRegistry]:
    async with pier_registry(tmp_path, access_log=False) as running:
        yield running


@pytest.fixture
async def http(registry: PierRegistry) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(f"http://{registry.host}") as session:
        yield session


def referrer(number: int, note: str = "") -> bytes:
    empty = {"mediaType": "application/vnd.oci.empty.v1+json", "digest": sha256(b"{}"), "size": 2}
    document = {
        "schemaVersion": 2,
        "mediaType": mediatypes.OCI_MANIFEST,
        "artifactType": KINDS[number % 2],
        "config": empty,
        "layers": [],
        "subject": {"mediaType": mediatypes.OCI_MANIFEST, "digest": SUBJECT, "size": 9},
        "annotations": {"number": str(number), "note": note},
    }
    return json.dumps(document).encode()


async def attach(http: aiohttp.ClientSession, count: int, note: str = "") -> list[Digest]:
    """Half of each kind; their digests in order."""
    await push_blob(http, "team/app", b"{}")
    some = asyncio.Semaphore(20)

    async def put(data: bytes) -> Digest:
        headers = {"Content-Type": mediatypes.OCI_MANIFEST}
        async with some, http.put(f"/v2/team/app/manifests/{sha256(data)}", data=data, headers=headers) as answer:
            assert (answer.status, answer.headers["OCI-Subject"]) == (201, SUBJECT)
        return sha256(data)

    return sorted(await asyncio.gather(*(put(referrer(number, note)) for number in range(count))))


async def pages(http: aiohttp.ClientSession, where: str) -> list[list[dict[str, Any]]]:
    """As a client of the specification walks them: whatever the Link header says."""
    found, following = [], where
    while following:
        async with http.get(following) as answer:
            assert (answer.status, answer.content_type) == (200, mediatypes.OCI_INDEX)
            assert answer.headers.get("OCI-Filters-Applied") == ("artifactType" if "artifactType" in where else None)
            data = await answer.read()
            assert len(data) <= MAX_MANIFEST_BYTES
            found.append(json.loads(data)["manifests"])
            following = rest_of(answer)
    return found


def rest_of(answer: aiohttp.ClientResponse) -> str:
    """What its Link header leads to; nothing on the last page."""
    return str(URL(str(answer.links["next"]["url"])).relative()) if "next" in answer.links else ""


def digests(found: list[list[dict[str, Any]]]) -> list[str]:
    return [each["digest"] for page in found for each in page]


async def test_five_thousand(registry: PierRegistry, http: aiohttp.ClientSession) -> None:
    made = await attach(http, 5000)
    found = await pages(http, WHERE)
    assert [len(page) for page in found] == [500] * 10
    assert digests(found) == made
    for kind in KINDS:
        async with http.get(WHERE, params={"artifactType": kind, "n": "2"}) as answer:
            first = json.loads(await answer.read())["manifests"]
            following = rest_of(answer)
        rest = await pages(http, following.replace("n=2", "n=400"))
        assert [len(page) for page in rest] == [400] * 6 + [98]
        assert {each["artifactType"] for page in [first, *rest] for each in page} == {kind}
        assert len(set(digests([first, *rest]))) == 2500
    registries = Registries()
    repository = await registries.repository(parse_reference(f"{registry.host}/team/app"))
    assert [each.digest for each in await referrers(repository, SUBJECT)] == made
    assert len(await referrers(repository, SUBJECT, KINDS[1])) == 2500
    await registries.close()


async def test_entries_that_are_large(registry: PierRegistry, http: aiohttp.ClientSession) -> None:
    """A page is not larger than a manifest may be; one entry is always on it."""
    made = await attach(http, 30, "x" * 300_000)
    found = await pages(http, WHERE)
    assert [len(page) for page in found] == [3] * 10 and digests(found) == made
    sizes = {len(referrer(number, "x" * 300_000)) for number in range(30)}
    assert {each["size"] for page in found for each in page} == sizes


ASKED: dict[str, tuple[int, int, bool]] = {
    "": (200, 7, False),
    "n=7": (200, 7, False),
    "n=6": (200, 6, True),
    "n=0": (200, 0, False),
    "n=100000": (200, 7, False),
    f"last=sha256:{'f' * 64}": (200, 0, False),
    f"artifactType={KINDS[0]}&n=4": (200, 4, False),
    f"artifactType={KINDS[0]}&n=3": (200, 3, True),
    "artifactType=none": (200, 0, False),
    "n=x": (400, 0, False),
    "last=x": (400, 0, False),
    "last=%00": (400, 0, False),
}
"""By query: status, entries, and whether there are more."""


async def answers(registry: PierRegistry) -> None:
    async with aiohttp.ClientSession(f"http://{registry.host}") as http:
        made = await attach(http, 7)
        for query, (status, count, more) in ASKED.items():
            async with http.get(f"{WHERE}?{query}") as answer:
                assert (query, answer.status, "next" in answer.links) == (query, status, more)
                if status == 200:
                    assert len(json.loads(await answer.read())["manifests"]) == count
        assert digests(await pages(http, f"{WHERE}?n=2")) == made
        async with http.get(f"{WHERE}?artifactType=%00") as answer:
            assert answer.status in (200, 400)


async def test_what_may_be_asked(registry: PierRegistry) -> None:
    await answers(registry)


async def test_what_may_be_asked_of_postgres(tmp_path: Path) -> None:
    with postgres() as server:
        async with pier_registry(tmp_path, database=server.url) as registry:
            await answers(registry)
