"""A blob that goes on where it stopped, from servers that know little of ranges; and what errors do not repeat."""

import os
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from pier.errors import PierError
from pier.oci import mediatypes
from pier.oci.digest import sha256
from pier.oci.manifest import Descriptor
from pier.oci.reference import parse_reference
from pier.remote import fetch
from pier.remote.client import Registries
from pier.remote.settings import Settings
from pier.testing.faulty_registry import Fault, FaultyRegistry, cut, faulty_registry, first_byte, say

SIZE, CUT = 900_000, 300_000


@pytest.fixture
async def registries() -> AsyncIterator[Registries]:
    made = Registries(Settings(first_delay=0.001))
    yield made
    await made.close()


def part(whole: bytes, first: int, span: str | None) -> web.Response:
    return web.Response(body=whole[first:], status=206, headers={"Content-Range": span} if span else {})


async def silent(registry: FaultyRegistry, request: web.Request) -> web.StreamResponse:
    """The part that was asked for, without a word of which one it is."""
    return part(_whole(registry, request), first_byte(request), None)


async def later(registry: FaultyRegistry, request: web.Request) -> web.StreamResponse:
    """Another part, behind the one that was asked for."""
    whole, first = _whole(registry, request), first_byte(request) + 7
    return part(whole, first, f"bytes {first}-{len(whole) - 1}/{len(whole)}")


async def earlier(registry: FaultyRegistry, request: web.Request) -> web.StreamResponse:
    """A part with more before it."""
    whole, first = _whole(registry, request), first_byte(request) - 7
    return part(whole, first, f"bytes {first}-{len(whole) - 1}/{len(whole)}")


def _whole(registry: FaultyRegistry, request: web.Request) -> bytes:
    return registry.blobs[request.path.rpartition("/")[2]]


@pytest.mark.parametrize("answer", [silent, later, earlier, say(416, headers={"Content-Range": "bytes */9"}), say(200)])
async def test_ranges_as_servers_understand_them(answer: Fault, registries: Registries) -> None:
    async with faulty_registry() as registry:
        data = os.urandom(SIZE)
        registry.add_blob(data)
        registry.misbehave("GET .*/blobs/", cut(after=CUT), times=1)
        registry.misbehave("GET .*/blobs/", answer, times=1)
        repository = await registries.repository(parse_reference(f"{registry.host}/team/app:1"))
        described = Descriptor(mediatypes.DOCKER_LAYER_GZIP, sha256(data), len(data))
        assert b"".join([piece async for piece in fetch.blob(repository, described)]) == data


@pytest.mark.parametrize("location", ["http://me:S3CRET@127.0.0.1:1/x?sig=S3CRET", "ftp://x?sig=S3CRET"])
async def test_secrets_of_redirects_are_in_no_error(location: str) -> None:
    registries = Registries(Settings(attempts=1))
    async with faulty_registry() as registry:
        registry.misbehave("GET .*/manifests/", say(307, headers={"Location": location}))
        reference = parse_reference(f"{registry.host}/team/app:1")
        with pytest.raises(PierError) as caught:
            await fetch.manifest(await registries.repository(reference), reference)
        assert "S3CRET" not in str(caught.value)
    await registries.close()
