"""A registry that is busy while something is uploaded to it: asked again, but not at once and not without end."""

import time
from collections.abc import AsyncIterator

import pytest

from pier.errors import Unavailable
from pier.oci.digest import sha256
from pier.oci.reference import parse_reference
from pier.remote import push
from pier.remote.client import Registries
from pier.remote.settings import Settings
from pier.testing.faulty_registry import FaultyRegistry, faulty_registry, say

DATA = b"x" * 1000
SETTINGS = Settings(first_delay=0.1, longest_delay=3.0, attempts=3)


@pytest.fixture
async def registry() -> AsyncIterator[FaultyRegistry]:
    async with faulty_registry() as made:
        made.misbehave("POST .*/uploads/", say(202, headers={"Location": "/up"}))
        yield made


async def pieces() -> AsyncIterator[bytes]:
    yield DATA


async def uploaded(registry: FaultyRegistry) -> float:
    """The seconds that it took."""
    registries = Registries(SETTINGS)
    begun = time.monotonic()
    try:
        repository = await registries.repository(parse_reference(f"{registry.host}/team/app:1"), push=True)
        assert await push.upload(repository, pieces) == (sha256(DATA), len(DATA))
    finally:
        await registries.close()
    return time.monotonic() - begun


async def test_an_upload_waits_as_long_as_it_is_asked_to(registry: FaultyRegistry) -> None:
    registry.misbehave("PATCH /up", say(429, headers={"Retry-After": "1"}), times=1)
    registry.misbehave("PATCH /up", say(202, headers={"Location": "/up"}))
    registry.misbehave("PUT /up", say(201))
    assert await uploaded(registry) >= 1.0


async def test_an_upload_waits_longer_each_time(registry: FaultyRegistry) -> None:
    registry.misbehave("PATCH /up", say(500))
    begun = time.monotonic()
    with pytest.raises(Unavailable, match="500 Internal Server Error"):
        await uploaded(registry)
    assert time.monotonic() - begun >= (0.1 + 0.2) * 0.75
    assert registry.requests.count("PATCH /up") == SETTINGS.attempts


async def test_an_upload_does_not_wait_for_an_hour(registry: FaultyRegistry) -> None:
    registry.misbehave("PATCH /up", say(503, headers={"Retry-After": "3600"}))
    with pytest.raises(Unavailable, match="503 Service Unavailable"):
        await uploaded(registry)
    assert registry.requests.count("PATCH /up") == 1


async def test_one_that_cannot_begin_is_not_begun_again_and_again() -> None:
    async with faulty_registry() as registry:
        registry.misbehave("POST .*/uploads/", say(429))
        with pytest.raises(Unavailable, match="toomanyrequests"):
            await uploaded(registry)
        assert len([each for each in registry.requests if each.startswith("POST")]) == SETTINGS.attempts
