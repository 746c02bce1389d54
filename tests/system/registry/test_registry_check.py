"""The check of the whole goes over the storage in parts: each location is somebody's or nobody's, whatever its part."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from pier.metadata.registry.opening import open_records
from pier.oci.digest import sha256
from pier.registry.blobs.append import append
from pier.registry.blobs.finish import monolithic
from pier.registry.blobs.uploads import begin
from pier.registry.deps import Registry
from pier.registry.housekeeping.check import check
from pier.registry.settings import Settings
from pier.registry.storages.opening import open_storage
from pier.testing.postgres import postgres
from pier.testing.swift import Swift, swift

pytestmark = pytest.mark.asyncio(loop_scope="module")

MIB = 1 << 20
NAME = "team/a"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def s3(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Swift]:
    async with swift(tmp_path_factory.mktemp("swift")) as server:
        yield server


@pytest_asyncio.fixture(loop_scope="module")
async def large(s3: Swift, tmp_path: Path) -> AsyncIterator[Registry]:
    with postgres() as server:
        async for each in opened(server.url, s3.url(tmp_path.name)):
            yield each


@pytest_asyncio.fixture(loop_scope="module")
async def small(tmp_path: Path) -> AsyncIterator[Registry]:
    async for each in opened(f"sqlite://{tmp_path}/registry.db", f"file://{tmp_path}/blobs"):
        yield each


@pytest.fixture(params=["sqlite and a folder", "postgres and s3"])
def registry(request: pytest.FixtureRequest) -> Registry:
    made: Registry = request.getfixturevalue("large" if request.param == "postgres and s3" else "small")
    return made


async def opened(database: str, storage: str) -> AsyncIterator[Registry]:
    made = Registry(await open_records(database), await open_storage(storage), Settings())
    yield made
    await made.storage.stop()
    await made.records.stop()


async def once(data: bytes) -> AsyncIterator[bytes]:
    yield data


async def leave(registry: Registry, size: int) -> str:
    """Bytes that nothing knows."""
    writer = await registry.storage.resume(registry.storage.location(), 0, b"")
    await writer.write(os.urandom(size))
    await writer.finish()
    await writer.close()
    return writer.location


@pytest.mark.parametrize("together", [1, 7, 50_000])
async def test_what_is_nobodys(together: int, registry: Registry) -> None:
    for number in range(30):
        data = os.urandom(100 + number)
        await monolithic(registry, NAME, sha256(data), once(data))
    for size in (10, 1000, 9 * MIB):  # the last has whole parts in S3, and a tail
        upload = await begin(registry, NAME)
        await append(registry, NAME, upload.id, once(os.urandom(size)))
    condemned = await monolithic(registry, NAME, sha256(b"gone"), once(b"gone"))
    assert await registry.records.lose_blob(condemned, registry.now())
    assert [each async for each in check(registry, data=True, together=together)] == []
    left = {await leave(registry, size) for size in (0, 1, 100, 6 * MIB) * 5}
    found = [each async for each in check(registry, together=together)]
    assert {each.kind for each in found} == {"leftover"} and len(found) == len(left)
    assert {location for location in left for each in found if f"at {location} " in each.text} == left
    assert len([each async for each in check(registry, fix=True, together=together)]) == len(left)
    assert [each async for each in check(registry, data=True, together=together)] == []
