"""Manifests on registries that do not help: one that does not mount, lists of lists, hostile documents."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from pier.errors import DataCorrupted, NotFound, PierError, Unavailable
from pier.images import manifests
from pier.images.manifests import Entry
from pier.oci import mediatypes
from pier.oci.digest import sha256
from pier.oci.reference import parse_reference
from pier.remote.client import Registries
from pier.testing.faulty_registry import FaultyRegistry, faulty_registry, say, say_error


@pytest.fixture
async def registries() -> AsyncIterator[Registries]:
    made = Registries()
    yield made
    await made.close()


@pytest.fixture
async def registry() -> AsyncIterator[FaultyRegistry]:
    async with faulty_registry() as running:
        yield running


async def test_blobs_are_copied_where_they_are_not_mounted(registries: Registries, registry: FaultyRegistry) -> None:
    digest = registry.add_image("one", "1", [b"a layer"])
    received: list[bytes] = []

    async def take(faulty: FaultyRegistry, request: web.Request) -> web.StreamResponse:
        received.append(await request.read())
        return web.Response(status=201)

    upload = {"Location": f"http://{registry.host}/v2/all/blobs/uploads/x"}
    registry.misbehave("HEAD /v2/all/blobs/", say_error(404, "BLOB_UNKNOWN", "no"))
    registry.misbehave("POST /v2/all/blobs/uploads/", say(202, headers=upload))
    registry.misbehave("DELETE ", say(204))
    registry.misbehave("PUT ", take)
    raw = registry.manifests["one", digest][0]
    target, source = (parse_reference(f"{registry.host}/{name}:1") for name in ("all", "one"))
    told: list[dict[str, Any]] = []
    document = (b'{"schemaVersion":2,"manifests":[]}', mediatypes.DOCKER_INDEX)
    made = await manifests.write(
        registries, target, [Entry(raw, mediatypes.DOCKER_MANIFEST, source)], document, None, told.append
    )
    assert {sha256(data) for data in received} == {*registry.blobs, digest, made}
    assert told[0]["status"].startswith(f"Pushed ref {registry.host}/all@{digest} with digest")
    assert told[1] == {"aux": {"Digest": made, "Size": len(document[0])}}


async def test_reading(registries: Registries, registry: FaultyRegistry) -> None:
    digest = registry.add_image("app", "1", [b"x"], config={"architecture": "arm", "variant": "v7"})
    entry = {"mediaType": mediatypes.DOCKER_MANIFEST, "digest": digest, "size": 1}
    listed = {"architecture": "arm64", "os": "linux", "os.features": ["a"]}
    document = {"schemaVersion": 2, "mediaType": mediatypes.DOCKER_INDEX, "manifests": [{**entry, "platform": listed}]}
    index = registry.add_manifest("app", "all", document)
    alone = await manifests.read(registries, parse_reference(f"{registry.host}/app:1"), None)
    platform = alone["Manifests"][0]["Descriptor"]["platform"]
    assert (alone["List"], platform) == (False, {"architecture": "arm", "os": "linux", "variant": "v7"})
    both = await manifests.read(registries, parse_reference(f"{registry.host}/app:all"), None)
    assert (both["List"], both["Manifests"][0]["Descriptor"]["platform"]) == (True, listed)
    document["manifests"] = [{"mediaType": mediatypes.DOCKER_INDEX, "digest": index, "size": 1}]
    registry.add_manifest("app", "nested", document)
    with pytest.raises(DataCorrupted, match="a manifest list within a manifest list"):
        await manifests.read(registries, parse_reference(f"{registry.host}/app:nested"), None)


@pytest.mark.parametrize(
    ("reference", "kind", "message"),
    [
        ("{host}/app:gone", NotFound, "^no such manifest: {host}/app:gone$"),
        ("127.0.0.1:9/x:1", Unavailable, "failed to configure transport: error pinging v2 registry: .*refused"),
    ],
)
async def test_refusals(
    reference: str, kind: type[PierError], message: str, registries: Registries, registry: FaultyRegistry
) -> None:
    with pytest.raises(kind, match=message.format(host=registry.host)):
        await manifests.read(registries, parse_reference(reference.format(host=registry.host)), None)
