"""The client against registries that hang, cut, lie and talk nonsense."""

import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from pier.errors import DataCorrupted, DeadlineExceeded, Forbidden, PierError, Unavailable
from pier.oci import mediatypes
from pier.oci.digest import sha256
from pier.oci.manifest import Descriptor
from pier.oci.reference import parse_reference
from pier.remote import fetch, push
from pier.remote.client import Registries
from pier.remote.repository import Repository
from pier.remote.settings import Credentials, Settings
from pier.testing.faulty_registry import FaultyRegistry, cut, faulty_registry, hang, raw_server, say, say_error

USER = Credentials("me", "s3cret")


@pytest.fixture
async def registries() -> AsyncIterator[Registries]:
    """With more patience than a busy machine needs to answer."""
    async with _registries(60) as made:
        yield made


@pytest.fixture
async def hasty() -> AsyncIterator[Registries]:
    """For those that never answer."""
    async with _registries(0.3) as made:
        yield made


@asynccontextmanager
async def _registries(patience: float) -> AsyncIterator[Registries]:
    made = Registries(Settings(first_delay=0.001, longest_delay=0.5, stall_timeout=patience, ping_timeout=patience))
    yield made
    await made.close()


@pytest.fixture
async def registry() -> AsyncIterator[FaultyRegistry]:
    async with faulty_registry() as made:
        yield made


async def _repository(registries: Registries, registry: FaultyRegistry, name: str = "team/app:1") -> Repository:
    return await registries.repository(parse_reference(f"{registry.host}/{name}"))


async def _blob(repository: Repository, data: bytes) -> bytes:
    descriptor = Descriptor(mediatypes.DOCKER_LAYER_GZIP, sha256(data), len(data))
    return b"".join([piece async for piece in fetch.blob(repository, descriptor)])


async def test_a_cut_blob_goes_on_where_it_stopped(registries: Registries, registry: FaultyRegistry) -> None:
    data = os.urandom(4_000_000)
    registry.add_blob(data)
    registry.misbehave("GET .*/blobs/", cut(after=500_000))
    assert await _blob(await _repository(registries, registry), data) == data
    assert registry.served <= 1.05 * len(data)
    assert sum("/blobs/" in line for line in registry.requests) == 8


async def test_a_stalled_blob_goes_on_where_it_stopped(registry: FaultyRegistry) -> None:
    data = os.urandom(1_000_000)
    registry.add_blob(data)
    registry.misbehave("GET .*/blobs/", cut(after=600_000, stall=True), times=1)
    async with _registries(2) as registries:
        assert await _blob(await _repository(registries, registry), data) == data


async def test_a_server_that_ignores_ranges_still_serves(registries: Registries, registry: FaultyRegistry) -> None:
    data = os.urandom(1_000_000)
    digest = registry.add_blob(data)
    registry.misbehave("GET .*/blobs/", cut(after=600_000), times=1)

    async def whole(_: FaultyRegistry, request: web.Request) -> web.StreamResponse:
        return web.Response(body=registry.blobs[digest])

    registry.misbehave("GET .*/blobs/", whole)
    assert await _blob(await _repository(registries, registry), data) == data


async def test_a_server_that_never_gets_on_is_given_up(registries: Registries, registry: FaultyRegistry) -> None:
    data = os.urandom(1_000_000)
    registry.add_blob(data)
    registry.misbehave("GET .*/blobs/", cut(after=10))
    with pytest.raises(Unavailable, match="unexpected EOF"):
        await _blob(await _repository(registries, registry), data)
    assert sum("/blobs/" in line for line in registry.requests) == registries.settings.attempts


async def test_a_blob_longer_than_promised(registries: Registries, registry: FaultyRegistry) -> None:
    registry.misbehave("GET .*/blobs/", say(200, "x" * 1000))
    with pytest.raises(DataCorrupted, match="is longer than the 3 bytes promised"):
        await _blob(await _repository(registries, registry), b"abc")


@pytest.mark.parametrize("pattern", ["/v2/$", "/manifests/", "/blobs/"])
async def test_a_registry_that_hangs(hasty: Registries, registry: FaultyRegistry, pattern: str) -> None:
    registry.add_manifest("team/app", "1", {})
    registry.misbehave(pattern, hang)
    with pytest.raises(DeadlineExceeded, match=r'^Get "http://.*": no answer within 0.3 s: context deadline exceeded'):
        repository = await _repository(hasty, registry)
        await fetch.manifest(repository, repository.reference)
        await _blob(repository, b"abc")


async def test_busy_registries_are_asked_again(registries: Registries, registry: FaultyRegistry) -> None:
    registry.add_manifest("team/app", "1", {})
    registry.misbehave("/v2/$", say(503, "later"), times=1)
    registry.misbehave("/v2/$", say(429, "slow down", {"Retry-After": "0"}), times=1)
    registry.misbehave("manifests", say(503, "later"), times=1)
    registry.misbehave("manifests", say(429, "slow down", {"Retry-After": "0"}), times=1)
    repository = await _repository(registries, registry)
    assert (await fetch.manifest(repository, repository.reference)).data == b"{}"


async def test_more_patience_than_we_have(registries: Registries, registry: FaultyRegistry) -> None:
    registry.misbehave("manifests", say(429, "slow down", {"Retry-After": "3600"}))
    repository = await _repository(registries, registry)
    with pytest.raises(Unavailable, match=r"^toomanyrequests: slow down$"):
        await fetch.manifest(repository, repository.reference)
    assert sum("manifests" in line for line in registry.requests) == 1


async def test_a_registry_that_stays_broken(registries: Registries, registry: FaultyRegistry) -> None:
    registry.misbehave("manifests", say(500, "<html>"))
    repository = await _repository(registries, registry)
    with pytest.raises(Unavailable, match=r"^received unexpected HTTP status: 500 Internal Server Error$"):
        await fetch.manifest(repository, repository.reference)
    assert sum("manifests" in line for line in registry.requests) == registries.settings.attempts


@pytest.mark.parametrize(
    "reply",
    [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort", b"\x00" * 5000],
)
async def test_nonsense_on_the_wire(registries: Registries, reply: bytes) -> None:
    async with raw_server(reply) as host:
        with pytest.raises((Unavailable, DataCorrupted), match=r'^Get "http://'):
            await registries.repository(parse_reference(f"{host}/team/app"))


async def test_a_manifest_without_end(registries: Registries, registry: FaultyRegistry) -> None:
    registry.misbehave("manifests", say(200, " " * 5_000_000))
    repository = await _repository(registries, registry)
    with pytest.raises(DataCorrupted, match="is over 4194304 bytes"):
        await fetch.manifest(repository, repository.reference)


async def test_tags_without_end(registries: Registries, registry: FaultyRegistry) -> None:
    page = {"Link": '</v2/team/app/tags/list?last=x>; rel="next"'}
    registry.misbehave("tags/list", say(200, '{"tags":["x"]}', page), times=3)
    registry.misbehave("tags/list", say(200, '{"tags":null}'))
    assert await fetch.tags(await _repository(registries, registry)) == ["x", "x", "x"]


async def test_tags_without_measure(registries: Registries, registry: FaultyRegistry) -> None:
    """A part of them would be worse than none: a replication deletes the tags that are not among them."""
    page = {"Link": '</v2/team/app/tags/list?last=x>; rel="next"'}
    registry.misbehave("tags/list", say(200, json.dumps({"tags": ["x" * 8_000_000]}), page), times=9)
    registry.misbehave("tags/list", say(200, '{"tags":["y"]}'))
    with pytest.raises(DataCorrupted, match="list is longer than any could be"):
        await fetch.tags(await _repository(registries, registry))


@pytest.mark.parametrize("location", ["", "ftp://host/x", "http://[", "file:///etc/passwd"])
async def test_redirects_to_nowhere(registries: Registries, registry: FaultyRegistry, location: str) -> None:
    registry.misbehave("/blobs/", say(307, headers={"Location": location}))
    with pytest.raises(DataCorrupted, match="invalid Location"):
        await _blob(await _repository(registries, registry), b"abc")


async def test_redirects_without_end(registries: Registries, registry: FaultyRegistry) -> None:
    registry.misbehave("/blobs/", say(307, headers={"Location": "/v2/team/app/blobs/again"}))
    with pytest.raises(DataCorrupted, match="too many redirects"):
        await _blob(await _repository(registries, registry), b"abc")


async def test_a_redirect_does_not_take_the_password_along(registries: Registries, registry: FaultyRegistry) -> None:
    data = b"layer"
    async with faulty_registry() as elsewhere:
        elsewhere.add_blob(data)
        registry.misbehave("/v2/$", say(401, headers={"WWW-Authenticate": 'Basic realm="x"'}))
        target = f"http://{elsewhere.host}/v2/x/blobs/{sha256(data)}?signature=1"
        registry.misbehave("/blobs/", say(307, headers={"Location": target}))
        repository = await registries.repository(parse_reference(f"{registry.host}/team/app"), USER)
        assert await _blob(repository, data) == data
        assert "Authorization" in registry.headers[-1]
        assert all("Authorization" not in headers for headers in elsewhere.headers)


async def test_an_upload_elsewhere_does_not_get_the_password(registries: Registries, registry: FaultyRegistry) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"layer"

    async with faulty_registry() as elsewhere:
        registry.misbehave("/v2/$", say(401, headers={"WWW-Authenticate": 'Basic realm="x"'}))
        registry.misbehave("POST .*/uploads/", say(202, headers={"Location": f"http://{elsewhere.host}/up?s=%2F"}))
        elsewhere.misbehave("PUT /up", say(201))
        repository = await registries.repository(parse_reference(f"{registry.host}/team/app"), USER, push=True)
        await push.upload(repository, pieces, Descriptor("x", sha256(b"layer"), 5))
        assert elsewhere.requests == ["PUT /up"]
        assert all("Authorization" not in headers for headers in elsewhere.headers)


async def test_a_token_from_a_broken_server(registries: Registries, registry: FaultyRegistry) -> None:
    challenge = f'Bearer realm="http://{registry.host}/token",service="s"'
    registry.misbehave("/v2/$", say(401, headers={"WWW-Authenticate": challenge}))
    for body in ("nonsense", "[]", "{}", '{"token": 5}', '{"token": "a\\nb"}'):
        registry.misbehave("/token", say(200, body), times=1)
        repository = await _repository(registries, registry)
        with pytest.raises(DataCorrupted, match="token"):
            await fetch.manifest(repository, repository.reference)


async def test_a_token_that_ran_out_is_renewed(registries: Registries, registry: FaultyRegistry) -> None:
    challenge = {"WWW-Authenticate": f'Bearer realm="http://{registry.host}/token",service="s"'}
    registry.add_manifest("team/app", "1", {})
    registry.misbehave("/v2/$", say(401, headers=challenge))
    registry.misbehave("/token", say(200, '{"token":"a"}'))
    registry.misbehave("/manifests/", say(401, headers=challenge), times=1)
    repository = await _repository(registries, registry)
    assert (await fetch.manifest(repository, repository.reference)).data == b"{}"
    assert sum("/token" in line for line in registry.requests) == 2


async def test_a_token_that_is_never_good(registries: Registries, registry: FaultyRegistry) -> None:
    challenge = {"WWW-Authenticate": f'Bearer realm="http://{registry.host}/token",service="s"'}
    registry.misbehave("/v2/$", say(401, headers=challenge))
    registry.misbehave("/token", say(200, '{"token":"a"}'))
    registry.misbehave("/manifests/", say(401, headers=challenge))
    repository = await _repository(registries, registry)
    with pytest.raises(PierError, match=r"^unauthorized: authentication required$"):
        await fetch.manifest(repository, repository.reference)


@pytest.mark.parametrize("realm", ["", "file:///etc/passwd", "http://[", "nothing"])
async def test_a_realm_that_is_no_place(registries: Registries, registry: FaultyRegistry, realm: str) -> None:
    registry.misbehave("/v2/$", say(401, headers={"WWW-Authenticate": f'Bearer realm="{realm}"'}))
    repository = await _repository(registries, registry)
    with pytest.raises(PierError, match="token auth challenge realm"):
        await fetch.manifest(repository, repository.reference)


async def test_an_upload_that_is_cut_begins_again(registries: Registries, registry: FaultyRegistry) -> None:
    taken: list[bytes] = []

    async def pieces() -> AsyncIterator[bytes]:
        yield b"a" * 100_000
        yield b"b" * 100_000

    async def drop(_: FaultyRegistry, request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async def take(_: FaultyRegistry, request: web.Request) -> web.StreamResponse:
        taken.append(await request.read())
        return web.Response(status=202, headers={"Location": "/up"})

    registry.misbehave("POST .*/uploads/", say(202, headers={"Location": "/up"}))
    registry.misbehave("PATCH /up", drop, times=1)
    registry.misbehave("PATCH /up", take)
    registry.misbehave("PUT /up", say(201))
    data = b"a" * 100_000 + b"b" * 100_000
    repository = await _repository(registries, registry)
    assert await push.upload(repository, pieces) == (sha256(data), len(data))
    assert taken == [data]


async def test_an_upload_that_nobody_reads(hasty: Registries, registry: FaultyRegistry) -> None:
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 1_000_000

    registry.misbehave("POST .*/uploads/", say(202, headers={"Location": "/up"}))
    registry.misbehave("PATCH /up", hang)
    repository = await _repository(hasty, registry)
    with pytest.raises(DeadlineExceeded, match="no answer within"):
        await push.upload(repository, endless)


async def test_the_source_of_an_upload_fails(registries: Registries, registry: FaultyRegistry) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"x"
        raise DataCorrupted("the layer is broken")

    registry.misbehave("POST .*/uploads/", say(202, headers={"Location": "/up"}))
    repository = await _repository(registries, registry)
    with pytest.raises(DataCorrupted, match=r"^the layer is broken$"):
        await push.upload(repository, broken)


async def test_denied(registries: Registries, registry: FaultyRegistry) -> None:
    registry.misbehave("POST .*/uploads/", say_error(403, "DENIED", "not yours"))
    repository = await _repository(registries, registry)

    async def none() -> AsyncIterator[bytes]:
        yield b""

    with pytest.raises(Forbidden, match=r"^denied: not yours$"):
        await push.upload(repository, none)
