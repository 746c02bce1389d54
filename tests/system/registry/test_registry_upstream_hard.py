"""Pulling through beside kills, eviction, collection, pushes and another instance."""

import asyncio
import os
import random
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from pier.metadata.registry.opening import open_records
from pier.oci.digest import Digest, sha256
from pier.registry.deps import Registry
from pier.registry.housekeeping.check import check
from pier.registry.housekeeping.collect import collect, end_stale_uploads
from pier.registry.settings import Settings
from pier.registry.storages.opening import open_storage
from pier.testing.faulty_registry import FaultyRegistry, first_byte
from pier.testing.postgres import Server, postgres
from pier.testing.registry import free_port
from pier.testing.registryserver import pier_registry
from tests.system.registry.images import image, push
from tests.system.registry.test_registry_upstream import MIB, manifest, through, upstream

__all__ = ["upstream"]

_MUCH_LATER = 3_000_000_000.0


async def slowly(registry: FaultyRegistry, request: web.Request) -> web.StreamResponse:
    """Of each blob 4 MiB at a time, with a moment between."""
    whole = registry.blobs[request.path.rpartition("/")[2]]
    first = first_byte(request)
    answer = web.StreamResponse(status=206 if first else 200)
    answer.content_length = len(whole) - first
    if first:
        answer.headers["Content-Range"] = f"bytes {first}-{len(whole) - 1}/{len(whole)}"
    await answer.prepare(request)
    for start in range(first, len(whole), 4 * MIB):
        await answer.write(whole[start : start + 4 * MIB])
        await asyncio.sleep(0.02)
    return answer


async def attempt(http: aiohttp.ClientSession, upstream: FaultyRegistry, digest: str, start: int = 0) -> bool:
    """Whether it came; what came, whole or not, is right."""
    headers = {"Range": f"bytes={start}-"} if start else {}
    came = bytearray()
    try:
        async with http.get(f"/v2/up/app/blobs/{digest}", headers=headers) as answer:
            if answer.status not in (200, 206):
                assert answer.status in (404, 503), await answer.text()
                return False
            async for piece in answer.content.iter_any():
                came += piece
            whole = True
    except (aiohttp.ClientError, OSError):
        whole = False
    right = upstream.blobs[digest][start:]
    assert came == (right if whole else right[: len(came)])
    return whole


async def check_all(root: Path, database: str = "", pushed: int = 0) -> None:
    """Nothing is lost nor miscounted, and all that nobody keeps goes in the end."""
    records, storage = await open_records(database or f"sqlite://{root}/registry.db"), None
    try:
        storage = await open_storage(f"file://{root}/blobs")
        later = Registry(records, storage, Settings(), clock=lambda: _MUCH_LATER)
        await end_stale_uploads(later)
        await collect(later)
        assert not await records.stale_uploads(1 << 40, 10)
        assert not [each async for each in check(later, data=True)]
        files = sum(each.stat().st_size for each in (root / "blobs").rglob("*") if each.is_file())
        assert files <= sum((await records.cached_sizes()).values()) + pushed
    finally:
        if storage is not None:
            await storage.stop()
        await records.stop()


def layers_of(upstream: FaultyRegistry, count: int, size: int) -> list[Digest]:
    """``count`` images with a layer each."""
    for number in range(count):
        upstream.add_image("app", str(number), [os.urandom(size)], level=0)
    return [Digest(each) for each in upstream.blobs if len(upstream.blobs[each]) >= size]


async def test_killed_again_and_again(upstream: FaultyRegistry, tmp_path: Path) -> None:
    upstream.misbehave("GET .*/blobs/", slowly)
    listen = [f"127.0.0.1:{free_port()}"]
    chance = random.Random(1)
    for _ in range(8):
        digests = layers_of(upstream, 2, 12 * MIB)
        async with through(tmp_path, upstream.host, listen=listen) as (registry, http):

            async def pull(number: int, http: aiohttp.ClientSession = http) -> None:
                try:
                    await manifest(http, str(number))
                except aiohttp.ClientError:
                    return
                await asyncio.gather(*(attempt(http, upstream, each) for each in digests[-2:]))  # noqa: B023

            pulls = asyncio.gather(*map(pull, (0, 1, 0)))
            await asyncio.sleep(chance.uniform(0, 0.4))
            registry.child.send_signal(9)
            await registry.child.wait()
            await pulls
    async with through(tmp_path, upstream.host, listen=listen) as (registry, http):
        for digest in layers_of(upstream, 0, 12 * MIB)[-6:]:
            await manifest(http, "0")
            assert await attempt(http, upstream, digest)
    await check_all(registry.root)


async def test_eviction_and_collection_beside_pulls(upstream: FaultyRegistry, tmp_path: Path) -> None:
    digests = layers_of(upstream, 8, MIB)
    seconds = 8.0
    mounted: list[bool] = []
    async with through(tmp_path, upstream.host, upstream_size=3 * MIB, collect_every=1, up={"ttl": 0}) as (
        registry,
        http,
    ):
        until = asyncio.get_running_loop().time() + seconds

        async def puller(seed: int) -> int:
            chance, count = random.Random(seed), 0
            while asyncio.get_running_loop().time() < until:
                number = chance.randrange(8)
                assert (await manifest(http, str(number)))[0] == 200
                assert await attempt(http, upstream, digests[number], chance.choice((0, 0, 1000, MIB)))
                count += 1
            return count

        async def forgetful() -> int:
            while asyncio.get_running_loop().time() < until:
                for number in range(8):
                    digest = sha256(upstream.manifests["app", str(number)][0])
                    for reference in (number, digest):
                        async with http.delete(f"/v2/up/app/manifests/{reference}") as answer:
                            assert answer.status in (202, 404), await answer.text()
                    await asyncio.sleep(0.05)
            return 0

        async def pusher() -> int:
            count = 0
            while asyncio.get_running_loop().time() < until:
                digest = digests[count % 8]
                mine = image(1000, also=[upstream.blobs[digest]])
                mount = {"mount": digest, "from": "up/app"}
                async with http.post("/v2/team/own/blobs/uploads/", params=mount) as answer:
                    mounted.append(answer.status == 201)
                await push(http, "team/own", str(count), mine)
                await push(http, "up/app", f"own{count}", mine)
                count += 1
                await asyncio.sleep(0.1)
            return count

        counts = await asyncio.gather(*map(puller, range(10)), forgetful(), pusher())
        for number in range(counts[-1]):
            for name in ("team/own", "up/app"):
                assert (await manifest(http, str(number) if name == "team/own" else f"own{number}", name))[0] == 200
        assert any(mounted)
        log = registry.log.read_text()
        assert "a request failed" not in log
        assert "a download failed" not in log
    await check_all(registry.root, pushed=9 * MIB + counts[-1] * 2000)


@pytest.fixture
def database() -> Iterator[Server]:
    with postgres() as server:
        yield server


async def test_two_instances_of_which_one_stops(upstream: FaultyRegistry, database: Server, tmp_path: Path) -> None:
    upstream.misbehave("GET .*/blobs/", slowly)
    digests = layers_of(upstream, 6, 8 * MIB)
    up = {"name": "up", "url": f"http://{upstream.host}", "ttl": 0}
    storage = tmp_path / "blobs"
    shared = {"database": database.url, "storage": f"file://{storage}", "upstream": [up], "stop_wait": 0}
    async with (
        asyncio.timeout(150),
        pier_registry(tmp_path / "one", **shared) as one,
        pier_registry(tmp_path / "two", **shared) as two,
        aiohttp.ClientSession(f"http://{one.host}") as here,
        aiohttp.ClientSession(f"http://{two.host}") as there,
    ):

        async def pull(http: aiohttp.ClientSession, number: int) -> bool:
            try:
                if (await manifest(http, str(number)))[0] != 200:
                    return False
            except aiohttp.ClientError:
                return False
            return await attempt(http, upstream, digests[number])

        pulls = asyncio.gather(*(pull(http, number) for http in (here, there, here, there) for number in range(6)))
        await asyncio.sleep(0.3)
        one.child.send_signal(15)
        came = await pulls
        assert all(came[6:12])
        assert all(came[18:])
        assert "Traceback" not in two.log.read_text()
        assert "Traceback" not in one.log.read_text()
    await check_all(tmp_path, database.url)
