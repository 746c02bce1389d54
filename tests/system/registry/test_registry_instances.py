"""Two registries behind one address: one PostgreSQL, one bucket, and nothing else that they share."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

from pier.metadata.registry.opening import open_records
from pier.oci.digest import sha256
from pier.registry.deps import Registry
from pier.registry.housekeeping.check import check
from pier.registry.housekeeping.collect import collect, end_stale_uploads
from pier.registry.settings import Settings
from pier.registry.storages.opening import open_storage
from pier.testing.postgres import Server, postgres
from pier.testing.registryserver import PierRegistry, pier_registry
from pier.testing.swift import Swift, swift
from tests.system.registry.images import Image, Refused, assert_whole, delete, expect, image, push
from tests.system.registry.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

MIB = 1 << 20
NAME = "team/app"
UPLOADS = f"/v2/{NAME}/blobs/uploads/"


@dataclass(frozen=True)
class Pair:
    """``addresses`` are those of two instances."""

    one: PierRegistry
    two: PierRegistry
    database: str
    storage: str

    @property
    def addresses(self) -> tuple[str, str]:
        return f"http://{self.one.host}", f"http://{self.two.host}"


@pytest.fixture
def database() -> Iterator[Server]:
    with postgres() as server:
        yield server


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def s3(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Swift]:
    async with swift(tmp_path_factory.mktemp("swift")) as server:
        yield server


@pytest_asyncio.fixture(loop_scope="module")
async def pair(database: Server, s3: Swift, tmp_path: Path) -> AsyncIterator[Pair]:
    storage = s3.url(tmp_path.name)
    shared = {"database": database.url, "storage": storage, "collect_every": 1}
    async with (
        pier_registry(tmp_path / "one", **shared) as one,
        pier_registry(tmp_path / "two", **shared) as two,
    ):
        yield Pair(one, two, database.url, storage)


@pytest_asyncio.fixture(loop_scope="module")
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@asynccontextmanager
async def third(pair: Pair, later: int = 0) -> AsyncIterator[Registry]:
    """Another instance, whose clock is ahead."""
    records, storage = await open_records(pair.database), await open_storage(pair.storage)
    yield Registry(records, storage, Settings(), clock=lambda: time.time() + later)
    await storage.stop()
    await records.stop()


async def test_every_request_at_another_instance(pair: Pair, http: aiohttp.ClientSession) -> None:
    """An image whose requests go to the two in turn, and whose blobs come in chunks, can be pulled from both."""
    one, two = pair.addresses
    made = image(20 * MIB)
    for blob in made.blobs:
        async with http.post(one + UPLOADS) as begun:
            where, reached = begun.headers["Location"], 0
        for turn, stop in enumerate((len(blob) // 3, len(blob) // 2, len(blob) // 2 + 1)):
            span = {"Content-Range": f"{reached}-{stop - 1}"}
            async with http.patch(
                pair.addresses[turn % 2] + where, data=BytesIO(blob[reached:stop]), headers=span
            ) as a:
                await expect(a, 202)
            reached = stop
        async with http.put(two + where, params={"digest": sha256(blob)}, data=BytesIO(blob[reached:])) as answer:
            await expect(answer, 201)
    await push(http, NAME, "1", made, one)
    for address in pair.addresses:
        await assert_whole(http, NAME, "1", made, address)


async def test_a_pull_from_one_while_the_other_deletes(pair: Pair, http: aiohttp.ClientSession) -> None:
    """Who has begun to pull a blob gets all of it, or notices; never something else."""
    one, two = pair.addresses
    made = image(30 * MIB)
    await push(http, NAME, "1", made, one)
    where = f"/v2/{NAME}/blobs/{sha256(made.blobs[1])}"
    async with http.get(two + where) as answer:
        begin = await answer.content.readexactly(MIB)
        await delete(http, NAME, "1", one)
        await until(lambda: _status(http, one + where), lambda status: status == 404)
        with suppress(aiohttp.ClientPayloadError):
            assert begin + await answer.content.read() == made.blobs[1]
    assert await _status(http, two + where) == 404
    await push(http, NAME, "2", made, two)
    await assert_whole(http, NAME, "2", made, one)


async def _status(http: aiohttp.ClientSession, url: str) -> int:
    async with http.get(url, headers={"Range": "bytes=0-0"}) as answer:
        return answer.status


async def test_one_is_killed(pair: Pair, http: aiohttp.ClientSession) -> None:
    """While clients push to both: what was cut off goes on at the other, and whatever was answered is there, whole."""
    one, two = pair.addresses
    large = os.urandom(24 * MIB)
    async with http.post(one + UPLOADS) as begun:
        where = begun.headers["Location"]
    async with http.patch(one + where, data=BytesIO(large[: 10 * MIB])) as answer:
        await expect(answer, 202)
    answered: list[tuple[str, Image]] = []
    shared = [os.urandom(50_000) for _ in range(3)]

    async def pusher(number: int) -> None:
        for turn in range(6):
            tag, made = f"t{number}-{turn}", image(1000, also=[shared[(number + turn) % 3]])
            try:
                await push(http, NAME, tag, made, pair.addresses[(number + turn) % 2])
            except aiohttp.ClientError:
                await push(http, NAME, tag, made, two)
            if turn == 3:
                await delete(http, NAME, tag, two)
            else:
                answered.append((tag, made))

    async def dying() -> AsyncIterator[bytes]:
        yield large[10 * MIB : 20 * MIB]
        while len(answered) < 8:
            await asyncio.wait([asyncio.create_task(asyncio.Event().wait())], timeout=0.02)
        pair.one.child.send_signal(signal.SIGKILL)
        await asyncio.Event().wait()

    pushing = asyncio.gather(*(pusher(number) for number in range(6)))
    with pytest.raises(aiohttp.ClientError):
        await http.patch(one + where, data=dying())
    async with http.get(two + where) as answer:
        reached = int(answer.headers["Range"].partition("-")[2]) + 1
        assert reached == 10 * MIB
    async with http.put(two + where, params={"digest": sha256(large)}, data=BytesIO(large[reached:])) as answer:
        await expect(answer, 201)
    await pushing
    for tag, made in answered:
        await assert_whole(http, NAME, tag, made, two)
    assert len(answered) == 30
    async with http.get(f"{two}/v2/{NAME}/blobs/{sha256(large)}") as answer:
        assert await answer.read() == large
    async with third(pair) as registry:
        assert [each async for each in check(registry, data=True) if each.kind != "leftover"] == []
    async with third(pair, 2 * Settings().upload_life) as registry:
        await end_stale_uploads(registry)
        await collect(registry)
        assert [each async for each in check(registry, data=True)] == []
        assert len([each async for each in registry.storage.walk()]) == 30 * 2 + 3


async def test_pushers_lose_nothing_to_collections_of_both(pair: Pair, http: aiohttp.ClientSession) -> None:
    shared = [os.urandom(20_000) for _ in range(2)]
    kept: list[tuple[str, Image]] = []
    pushed = asyncio.Event()

    async def collecting() -> None:
        async with third(pair) as registry:
            while not pushed.is_set():
                await collect(registry)

    async def pusher(number: int) -> None:
        for turn in range(3):
            tag, made = f"t{number}-{turn}", image(1000, also=[shared[(number + turn) % 2]])
            try:
                await push(http, NAME, tag, made, pair.addresses[(number + turn) % 2])
            except Refused as refused:
                assert "MANIFEST_BLOB_UNKNOWN" in str(refused), refused
                continue
            if turn == 1:
                await delete(http, NAME, tag, pair.addresses[number % 2])
            else:
                kept.append((tag, made))

    task = asyncio.create_task(collecting())
    await asyncio.gather(*(pusher(number) for number in range(12)))
    pushed.set()
    await task
    assert len(kept) > 15
    for number, (tag, made) in enumerate(kept):
        await assert_whole(http, NAME, tag, made, pair.addresses[number % 2])
