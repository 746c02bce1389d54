"""Pulling through: an upstream that is well, slow, out, wrong, or gone in the midst of a layer."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from pier.metadata.registry.opening import open_records
from pier.oci.digest import Digest, sha256
from pier.registry.deps import Registry
from pier.registry.housekeeping.collect import collect
from pier.registry.settings import Settings
from pier.registry.storages.opening import open_storage
from pier.testing.faulty_registry import FaultyRegistry, cut, faulty_registry, hang, say, say_error
from pier.testing.registry import PASSWORD, USER, distribution, free_port
from pier.testing.registryserver import PierRegistry, pier_registry
from pier.testing.tokens import token_server
from tests.system.registry.images import delete, image, push
from tests.system.registry.waiting import until

MIB = 1 << 20


@pytest.fixture
async def upstream() -> AsyncIterator[FaultyRegistry]:
    async with faulty_registry() as running:
        yield running


@asynccontextmanager
async def through(
    folder: Path, host: str, **settings: Any
) -> AsyncIterator[tuple[PierRegistry, aiohttp.ClientSession]]:
    """A registry with the upstream ``up``; settings of that are under ``up``."""
    up = {"name": "up", "url": f"http://{host}", **settings.pop("up", {})}
    async with (
        asyncio.timeout(150),
        pier_registry(folder, upstream=[up], **settings) as registry,
        aiohttp.ClientSession(f"http://{registry.host}") as http,
    ):
        yield registry, http


def blob_of(upstream: FaultyRegistry, size: int) -> Digest:
    """One that a manifest ``up/app:1`` has as its only layer, next to no smaller than ``size`` when it is packed."""
    upstream.add_image("app", "1", [os.urandom(size)], level=0)
    return Digest(max(upstream.blobs, key=lambda digest: len(upstream.blobs[digest])))


def signed_in() -> dict[str, str]:
    return {"Authorization": aiohttp.encode_basic_auth(USER, PASSWORD)}


async def manifest(http: aiohttp.ClientSession, reference: str = "1", name: str = "up/app") -> tuple[int, bytes]:
    async with http.get(f"/v2/{name}/manifests/{reference}") as answer:
        return answer.status, await answer.read()


async def blob(http: aiohttp.ClientSession, digest: Digest, start: int = 0, name: str = "up/app") -> bytes:
    headers = {"Range": f"bytes={start}-"} if start else {}
    async with http.get(f"/v2/{name}/blobs/{digest}", headers=headers) as answer:
        assert answer.status == (206 if start else 200), await answer.text()
        return await answer.read()


async def test_many_clients_are_one_fetch_whatever_breaks(upstream: FaultyRegistry, tmp_path: Path) -> None:
    digest = blob_of(upstream, 24 * MIB)
    upstream.misbehave("GET .*/blobs/", cut(after=5 * MIB), times=4)
    async with through(tmp_path, upstream.host) as (_, http):
        await manifest(http)
        whole = upstream.blobs[digest]
        came = await asyncio.gather(*(blob(http, digest, start) for start in (0, 0, 0, 7 * MIB, 23 * MIB)))
        assert came == [whole, whole, whole, whole[7 * MIB :], whole[23 * MIB :]]
        assert upstream.served <= 1.05 * len(whole)
        assert await blob(http, digest) == whole
        assert upstream.served <= 1.05 * len(whole)


async def test_nobody_waits_for_a_client_that_does_not_read(upstream: FaultyRegistry, tmp_path: Path) -> None:
    digest = blob_of(upstream, 40 * MIB)
    async with through(tmp_path, upstream.host) as (_, http), http.get(f"/v2/up/app/blobs/{digest}") as idle:
        await idle.content.readexactly(1)
        assert await blob(http, digest) == upstream.blobs[digest]
        idle.close()


async def test_what_is_kept_serves_while_the_upstream_is_out(upstream: FaultyRegistry, tmp_path: Path) -> None:
    digest = blob_of(upstream, MIB)
    async with through(tmp_path, upstream.host, up={"ttl": 0}) as (registry, http):
        first = await manifest(http)
        await blob(http, digest)
        upstream.misbehave(".*", hang)
        assert await manifest(http) == first
        upstream.forget()
        async with http.get("/api/v1/upstreams") as answer:
            (listed,) = await answer.json()
            assert (listed["name"], listed["url"], listed["bytes"] > MIB) == ("up", f"http://{upstream.host}", True)
            assert "no answer" in listed["trouble"]
        for fault in (say_error(429, "TOOMANYREQUESTS", "slow down"), say(500), say(200, "no manifest")):
            upstream.misbehave(".*", fault)
            assert await manifest(http) == first
            status, text = await manifest(http, "2")
            assert status in (429, 503)
            assert b"up does not answer as it should" in text
            upstream.forget()
        assert "an upstream is out" in registry.log.read_text()
    upstream.requests.clear()
    async with through(tmp_path, "127.0.0.1:9", up={"ttl": 0}) as (_, http):
        assert await manifest(http) == first
        assert await manifest(http, sha256(first[1])) == first
        assert await blob(http, digest) == upstream.blobs[digest]
        async with http.get("/v2/up/app/tags/list") as answer:
            assert (await answer.json())["tags"] == ["1"]
    assert not upstream.requests


async def test_tags_move_and_go_as_they_do_there(upstream: FaultyRegistry, tmp_path: Path) -> None:
    upstream.add_image("app", "1", [b"first"])
    async with through(tmp_path, upstream.host, up={"ttl": 0}) as (_, http):
        first = await manifest(http)
        asked = len(upstream.requests)
        assert await manifest(http) == first
        assert upstream.requests[asked:] == ["HEAD /v2/app/manifests/1"]
        upstream.add_image("app", "1", [b"second"])
        second = await manifest(http)
        assert second[0] == 200
        assert second != first
        del upstream.manifests["app", "1"]
        assert (await manifest(http))[0] == 404
    async with through(tmp_path, upstream.host, up={"ttl": 3600}) as (_, http):
        upstream.add_image("app", "1", [b"third"])
        third = await manifest(http)
        upstream.add_image("app", "1", [b"fourth"])
        assert await manifest(http) == third
        await delete(http, "up/app", "1")
        assert await manifest(http) != third


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
async def test_a_download_goes_on_after_a_restart(
    upstream: FaultyRegistry, tmp_path: Path, number: signal.Signals
) -> None:
    """Of one that is killed the records are told each 256 MiB only; but what the file has is not fetched again."""
    digest = blob_of(upstream, 24 * MIB)
    whole = upstream.blobs[digest]
    upstream.misbehave("GET .*/blobs/", cut(after=16 * MIB, stall=True), times=1)
    listen = [f"127.0.0.1:{free_port()}"]
    async with through(tmp_path, upstream.host, stop_wait=0, listen=listen) as (registry, http):
        await manifest(http)
        async with http.get(f"/v2/up/app/blobs/{digest}") as answer:
            await answer.content.readexactly(12 * MIB)
            registry.child.send_signal(number)
            await registry.child.wait()
    upstream.forget()
    async with through(tmp_path, upstream.host, listen=listen) as (_, http):
        assert await blob(http, digest) == whole
    assert upstream.served <= len(whole) + 4 * MIB  # 16 had been sent, and 12 had come


async def test_what_a_power_loss_left_of_a_download_is_not_believed(upstream: FaultyRegistry, tmp_path: Path) -> None:
    """As long as it was, but with other bytes: nobody gets it whole, and the next one begins anew."""
    digest = blob_of(upstream, 24 * MIB)
    upstream.misbehave("GET .*/blobs/", cut(after=16 * MIB, stall=True), times=1)
    listen = [f"127.0.0.1:{free_port()}"]
    async with through(tmp_path, upstream.host, stop_wait=0, listen=listen) as (registry, http):
        await manifest(http)
        async with http.get(f"/v2/up/app/blobs/{digest}") as answer:
            await answer.content.readexactly(12 * MIB)
            registry.child.send_signal(signal.SIGKILL)
            await registry.child.wait()
    (file,) = [each for each in (registry.root / "blobs").rglob("*") if each.is_file() and each.stat().st_size > MIB]
    with file.open("r+b") as bytes_:
        bytes_.seek(8 * MIB)
        bytes_.write(bytes(MIB))
    async with through(tmp_path, upstream.host, listen=listen) as (_, http):
        with pytest.raises(aiohttp.ClientPayloadError):
            await blob(http, digest)
        await until(lambda: came(http, digest), lambda data: data == upstream.blobs[digest])


async def came(http: aiohttp.ClientSession, digest: Digest) -> bytes:
    try:
        return await blob(http, digest)
    except aiohttp.ClientPayloadError:
        return b""


async def test_what_is_pushed_here_wins(upstream: FaultyRegistry, tmp_path: Path) -> None:
    digest = blob_of(upstream, 1000)
    async with through(tmp_path, upstream.host, up={"ttl": 0, "default": True}) as (_, http):
        assert (await manifest(http))[0] == 200
        mine = image(2000, also=[await blob(http, digest)])
        await push(http, "up/app", "1", mine)
        await push(http, "team/own", "1", mine)
        await push(http, "app", "1", mine)
        for name in ("up/app", "team/own", "app"):
            assert await manifest(http, name=name) == (200, mine.manifest)
        await delete(http, "up/app", "1")
        assert (await manifest(http))[1] != mine.manifest
        assert await blob(http, digest) == upstream.blobs[digest]


async def test_as_a_mirror(upstream: FaultyRegistry, tmp_path: Path) -> None:
    """By the names that repositories have there, as dockerd and containerd ask for them; rights are the upstream's."""
    digest = blob_of(upstream, 1000)
    htpasswd = tmp_path / "users"
    htpasswd.write_text(f"{USER}:$2y$05$GTtJ6nkn1Se4lZKDCUJtieNr5JDi4ZiRBMfBiZyaZD1HWG/.rYtlC\n")
    people = {"htpasswd": str(htpasswd), "anonymous_pull": ["up/*"]}
    async with through(tmp_path, upstream.host, up={"default": True}, **people) as (_, http):
        assert (await manifest(http, name="app"))[0] == 200
        assert await blob(http, digest, name="app") == upstream.blobs[digest]
        assert (await manifest(http, name="other"))[0] == 404
        async with http.get("/v2/app/manifests/1", params={"ns": upstream.host}) as answer:
            assert answer.status == 200
        async with http.get("/v2/app/manifests/1", params={"ns": "quay.io"}) as answer:
            assert answer.status == 401
        assert await with_token(http, "app") == 200
        for path, status in (("/up/v2/", 401), ("/up/v2/app/manifests/1", 200), (f"/up/v2/app/blobs/{digest}", 200)):
            async with http.get(path) as answer:
                assert answer.status == status
        async with http.put("/up/v2/app/manifests/1", data=b"{}") as answer:
            assert answer.status == 404
        asked = len(upstream.requests)
        async with http.head(f"/v2/never/pulled/blobs/{digest}") as answer:
            assert answer.status == 401
        assert len(upstream.requests) == asked
    people["anonymous_pull"] = ["public/*"]
    async with through(tmp_path, upstream.host, up={"default": True}, **people) as (_, http):
        assert (await manifest(http, name="app"))[0] == 401
        assert (await manifest(http))[0] == 401
        assert await with_token(http, "app") == 401


async def with_token(http: aiohttp.ClientSession, name: str) -> int:
    """The status for nobody who has asked for a token first, as dockerd does: for the name that it knows."""
    async with http.get("/token", params={"scope": f"repository:{name}:pull"}) as answer:
        token = (await answer.json())["token"]
    async with http.get(f"/v2/{name}/manifests/1", headers={"Authorization": f"Bearer {token}"}) as answer:
        return answer.status


async def test_only_the_names_that_may(upstream: FaultyRegistry, tmp_path: Path) -> None:
    upstream.add_image("team/app", "1", [b"x"])
    upstream.add_image("secret/app", "1", [b"x"])
    async with through(tmp_path, upstream.host, up={"names": ["team/*"]}) as (_, http):
        assert (await manifest(http, name="up/team/app"))[0] == 200
        assert (await manifest(http, name="up/secret/app"))[0] == 404
    assert not any("secret" in line for line in upstream.requests)


async def test_least_used_goes_first(upstream: FaultyRegistry, tmp_path: Path) -> None:
    digests: list[Digest] = []
    for number in range(4):
        upstream.add_image("app", str(number), [os.urandom(MIB)], level=0)
        fresh = [Digest(each) for each in upstream.blobs if each not in digests]
        digests.append(max(fresh, key=lambda each: len(upstream.blobs[each])))
    async with through(tmp_path, upstream.host, upstream_size=5 * MIB // 2) as (registry, http):
        for number, digest in enumerate(digests):
            await manifest(http, str(number))
            await blob(http, digest)
            await asyncio.sleep(1.1)  # a clock of whole seconds tells who was used last
        records = await open_records(f"sqlite://{registry.root}/registry.db")
        while sum((await records.cached_sizes()).values()) > 5 * MIB // 2:  # noqa: ASYNC110
            await asyncio.sleep(0.2)
        assert "let go" in registry.log.read_text()
        served = upstream.served
        assert await blob(http, digests[0]) == upstream.blobs[digests[0]]
        assert served == upstream.served, "what was let go stays for a moment, for those who are reading it"
    root = tmp_path / "pier-registry"
    storage = await open_storage(f"file://{root}/blobs")
    later = Registry(records, storage, Settings(), clock=lambda: time.time() + 400)
    assert await collect(later) > MIB
    left = [digest for digest in digests if await records.blob("up/app", digest)]
    assert left == digests[2:]
    assert sum(each.stat().st_size for each in (root / "blobs").rglob("*") if each.is_file()) < 5 * MIB // 2
    await storage.stop()
    await records.stop()


async def test_an_upstream_that_lies(upstream: FaultyRegistry, tmp_path: Path) -> None:
    digest = blob_of(upstream, MIB)
    whole = upstream.blobs[digest]

    async def other(registry: FaultyRegistry, request: web.Request) -> web.StreamResponse:
        return web.Response(body=bytes(len(whole)))

    async def longer(registry: FaultyRegistry, request: web.Request) -> web.StreamResponse:
        return web.Response(body=whole + b"more")

    async with through(tmp_path, upstream.host) as (_, http):
        await manifest(http)
        for fault in (other, longer):
            upstream.misbehave("GET .*/blobs/", fault)
            async with http.get(f"/v2/up/app/blobs/{digest}") as answer:
                try:
                    came = await answer.read()
                except aiohttp.ClientError:
                    came = b""
            assert len(came) < len(whole)
            upstream.forget()
        assert await blob(http, digest) == whole
        wrong = sha256(b"not this")
        upstream.manifests["app", wrong] = upstream.manifests["app", "1"]
        assert (await manifest(http, wrong))[0] in (404, 503)


async def test_an_upstream_with_a_password(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text(PASSWORD + "\n")
    async with distribution(tmp_path, htpasswd=True) as there:
        mine = image(5000)
        async with aiohttp.ClientSession(f"http://{there.host}", headers=signed_in()) as http:
            await push(http, "app", "1", mine)
        up = {"username": USER, "password_file": str(secret)}
        async with through(tmp_path, there.host, up=up) as (registry, http):
            assert await manifest(http) == (200, mine.manifest)
            assert await blob(http, sha256(mine.blobs[1])) == mine.blobs[1]
            log = registry.log.read_text()
        assert PASSWORD not in log
        async with through(tmp_path / "other", there.host) as (_, http):
            status, text = await manifest(http)
            assert status == 404
            assert b"unknown to up" in text


async def test_an_upstream_with_a_token_server(tmp_path: Path) -> None:
    """As Docker Hub is: nobody in particular gets a token too."""
    async with token_server(tmp_path, {USER: PASSWORD}) as tokens, distribution(tmp_path, tokens=tokens) as there:
        async with aiohttp.ClientSession(headers=signed_in()) as http:
            scope = {"service": "pier-test", "scope": "repository:public/app:pull,push"}
            async with http.get(tokens.realm, params=scope) as answer:
                token = (await answer.json())["token"]
        mine = image(5000)
        headers = {"Authorization": f"Bearer {token}"}
        async with aiohttp.ClientSession(f"http://{there.host}", headers=headers) as http:
            await push(http, "public/app", "1", mine)
        async with through(tmp_path, there.host, up={"ttl": 0}) as (_, http):
            asked = len(tokens.asked)
            for _ in range(3):
                assert await manifest(http, name="up/public/app") == (200, mine.manifest)
            assert await blob(http, sha256(mine.blobs[1]), name="up/public/app") == mine.blobs[1]
            assert len(tokens.asked) - asked <= 2
