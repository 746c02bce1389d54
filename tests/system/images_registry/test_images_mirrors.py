"""Pulls by way of mirrors: what a mirror lacks, or breaks off, comes from the next, and at last from the registry."""

import os
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from pier.errors import NotFound
from pier.images.deps import Images
from pier.images.image import Image
from pier.images.pull import pull
from pier.oci.reference import parse_reference
from pier.remote.client import Registries
from pier.remote.settings import Credentials, Settings
from pier.testing.faulty_registry import Fault, FaultyRegistry, cut, faulty_registry, refuse, say
from pier.testing.images import Told, layer_tar


@pytest.fixture
async def origin() -> AsyncIterator[FaultyRegistry]:
    async with faulty_registry() as made:
        yield made


@pytest.fixture
async def mirror() -> AsyncIterator[FaultyRegistry]:
    async with faulty_registry() as made:
        yield made


def with_mirrors(origin: FaultyRegistry, *urls: str) -> Registries:
    settings = Settings(first_delay=0.001, longest_delay=0.01, ping_timeout=60, mirrors={origin.host: urls})
    return Registries(settings)


async def fetched(registries: Registries, images: Images, origin: FaultyRegistry, told: Told) -> Image:
    credentials = Credentials("somebody", "the secret of the origin")
    try:
        return await pull(images, registries, parse_reference(f"{origin.host}/t/app:1"), None, credentials, told)
    finally:
        await registries.close()


async def test_a_mirror_spares_the_registry(
    images: Images, told: Told, origin: FaultyRegistry, mirror: FaultyRegistry
) -> None:
    mirror.add_image("t/app", "1", [layer_tar(f=b"x")])
    await fetched(with_mirrors(origin, f"http://{mirror.host}"), images, origin, told)
    assert origin.requests == []
    assert [image.repo_tags for image in images.store.list()] == [(f"{origin.host}/t/app:1",)]


async def test_what_a_mirror_lacks_the_registry_has(
    images: Images, told: Told, origin: FaultyRegistry, mirror: FaultyRegistry
) -> None:
    origin.add_image("t/app", "1", [layer_tar(f=b"x")])
    await fetched(with_mirrors(origin, f"http://{mirror.host}"), images, origin, told)
    assert "GET /v2/t/app/manifests/1" in mirror.requests


async def test_nobody_has_it(images: Images, told: Told, origin: FaultyRegistry, mirror: FaultyRegistry) -> None:
    with pytest.raises(NotFound, match=r"manifest for .*/t/app:1 not found: manifest unknown"):
        await fetched(with_mirrors(origin, f"http://{mirror.host}"), images, origin, told)


async def test_a_layer_that_a_mirror_breaks_off_goes_on_at_the_registry(
    images: Images, told: Told, origin: FaultyRegistry, mirror: FaultyRegistry
) -> None:
    tars = [layer_tar(big=os.urandom(3_000_000))]
    for registry in (origin, mirror):
        registry.add_image("t/app", "1", tars)
    mirror.misbehave("GET .*/blobs/sha256", cut(after=2_000_000), times=2)  # the config, and the layer
    mirror.misbehave("GET .*/blobs/sha256", say(503))
    layer = max(len(blob) for blob in origin.blobs.values())
    await fetched(with_mirrors(origin, f"http://{mirror.host}"), images, origin, told)
    assert origin.served <= layer - 1_000_000 + 1000  # some of what the mirror sent may have been lost with it


async def test_a_mirror_that_is_down_is_not_asked_again_soon(
    images: Images, others: Images, told: Told, origin: FaultyRegistry, mirror: FaultyRegistry
) -> None:
    origin.add_image("t/app", "1", [layer_tar(f=b"x")])
    mirror.misbehave("GET /v2/$", say(503))
    registries = with_mirrors(origin, "http://127.0.0.1:1", f"http://{mirror.host}")
    await fetched(registries, images, origin, told)
    await fetched(registries, others, origin, told)
    assert mirror.requests == ["GET /v2/"]


@pytest.mark.parametrize("fault", [say(503), say(429, headers={"Retry-After": "60"}), cut(after=0)])
async def test_nobody_waits_for_a_mirror_that_is_busy(
    images: Images, told: Told, origin: FaultyRegistry, mirror: FaultyRegistry, fault: Fault
) -> None:
    for registry in (origin, mirror):
        registry.add_image("t/app", "1", [layer_tar(f=b"x")])
    mirror.misbehave("GET .*/manifests/", fault)
    await fetched(with_mirrors(origin, f"http://{mirror.host}"), images, origin, told)
    assert mirror.requests == ["GET /v2/", "GET /v2/t/app/manifests/1"]


async def test_a_mirror_does_not_see_the_registry_s_password(
    images: Images, told: Told, origin: FaultyRegistry, mirror: FaultyRegistry
) -> None:
    mirror.add_image("t/app", "1", [layer_tar(f=b"x")])

    async def ask(registry: FaultyRegistry, request: web.Request) -> web.StreamResponse:
        return refuse(401, "UNAUTHORIZED", "who is it", {"WWW-Authenticate": 'Basic realm="mirror"'})

    mirror.misbehave(r"GET /v2/$", ask)
    origin.add_image("t/app", "1", [layer_tar(f=b"x")])
    await fetched(with_mirrors(origin, f"http://{mirror.host}"), images, origin, told)
    assert not any("Authorization" in headers for headers in mirror.headers)


async def test_a_mirror_of_one_s_own_with_a_password_and_a_folder(
    images: Images, told: Told, origin: FaultyRegistry, mirror: FaultyRegistry
) -> None:
    mirror.add_image("copies/of/t/app", "1", [layer_tar(f=b"x")])

    async def ask(registry: FaultyRegistry, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Authorization") == "Basic bWU6Y2FyZWZ1bCE=":
            return registry.answer(request)
        return refuse(401, "UNAUTHORIZED", "who is it", {"WWW-Authenticate": 'Basic realm="mirror"'})

    mirror.misbehave(r"GET /v2/", ask)
    await fetched(with_mirrors(origin, f"http://me:careful%21@{mirror.host}/copies/of"), images, origin, told)
    assert origin.requests == []
