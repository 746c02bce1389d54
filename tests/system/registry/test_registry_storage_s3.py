"""Blobs on a real S3."""

import asyncio
import contextlib
import itertools
import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest
import pytest_asyncio

from pier.errors import DataCorrupted, Unavailable
from pier.registry.storage import Storage
from pier.registry.storages.opening import open_storage
from pier.testing.registry import free_port
from pier.testing.registry_storage import KIB, MIB, Again, StorageSuite, all_of, bytes_of, kept, paused, raised
from pier.testing.swift import Swift, swift

pytestmark = pytest.mark.asyncio(loop_scope="module")
_prefixes = (f"team/{number}" for number in itertools.count())


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def s3(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Swift]:
    async with swift(tmp_path_factory.mktemp("swift")) as server:
        yield server


@pytest.fixture
def url(s3: Swift) -> str:
    return s3.url(next(_prefixes))


@pytest_asyncio.fixture(loop_scope="module")
async def storage(url: str) -> AsyncIterator[Storage]:
    storage = await open_storage(url)
    yield storage
    await storage.stop()


@pytest_asyncio.fixture(loop_scope="module")
async def again(url: str) -> AsyncIterator[Again]:
    made: list[Storage] = []

    async def open_again() -> Storage:
        made.append(await open_storage(url))
        return made[-1]

    yield open_again
    for each in made:
        await each.stop()


class TestS3(StorageSuite):
    pass


async def test_a_client_fetches_from_the_storage_itself(storage: Storage) -> None:
    data = os.urandom(MIB)
    url = await storage.url(await kept(storage, data), 60)
    assert url is not None
    async with aiohttp.ClientSession() as session:
        async with session.get(url, headers={"Range": "bytes=10-19"}) as answer:
            assert (answer.status, await answer.read()) == (206, data[10:20])
        async with session.get(url.replace("Signature=", "Signature=0")) as answer:
            assert answer.status == 403


async def test_prefixes_keep_registries_apart(storage: Storage, s3: Swift) -> None:
    await kept(storage, b"x")
    other = await open_storage(s3.url("team/other"))
    assert await all_of(other) == []
    await other.stop()


async def test_a_bucket_that_is_not_there(s3: Swift) -> None:
    with pytest.raises(Unavailable, match="bucket nothere"):
        await open_storage(s3.url("x").replace("s3://blobs", "s3://nothere"))
    with pytest.raises(Unavailable, match="bucket blobs"):
        await open_storage(s3.url("x").replace("secret_key=testing", "secret_key=wrong"))


async def test_credentials_come_from_the_environment(s3: Swift, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test:tester")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    storage = await open_storage(f"s3://blobs/env?endpoint={s3.endpoint}")
    assert await bytes_of(storage, await kept(storage, b"x"), 0, 1) == b"x"
    await storage.stop()


async def test_the_temporary_folder_is_left_empty(
    storage: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    await paused(storage, storage.location(), bytes(17 * MIB))
    assert os.listdir(tmp_path) == []


class Wire:
    """A TCP relay to the server. ``cuts`` says, by turn, after how many bytes of answer a connection breaks."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.cuts: Iterator[int] = iter(())
        self.cut = 0
        self._tasks: set[asyncio.Task[None] | None] = set()

    async def stop(self) -> None:
        tasks = [task for task in self._tasks if task and not task.done()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._tasks.add(asyncio.current_task())
        limit = next(self.cuts, -1)
        there, back = await asyncio.open_connection("127.0.0.1", self._port)
        forth = asyncio.create_task(self._pump(reader, back, -1))
        try:
            await self._pump(there, writer, limit)
        finally:
            for each in (back, writer):
                each.transport.abort()
            forth.cancel()
            await asyncio.wait([forth])

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, limit: int) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(64 * KIB):
                if 0 <= limit < len(data):
                    self.cut += 1
                    return
                limit -= len(data) if limit > 0 else 0
                writer.write(data)
                await writer.drain()


@pytest_asyncio.fixture(loop_scope="module")
async def wire(s3: Swift) -> AsyncIterator[tuple[Wire, str]]:
    wire = Wire(urlsplit(s3.endpoint).port or 0)
    async with await asyncio.start_server(wire.relay, "127.0.0.1", 0) as server:
        yield wire, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        await wire.stop()


async def test_broken_connections_are_replaced(s3: Swift, wire: tuple[Wire, str]) -> None:
    line, endpoint = wire
    storage = await open_storage(s3.url("wire", endpoint))
    data = os.urandom(20 * MIB)
    line.cuts = iter((0, 0, -1, 0, -1, 0))
    writer = await storage.resume(storage.location(), 0, b"")
    await writer.write(data)
    assert await writer.finish() == len(data)
    await writer.close()
    await storage.stop()
    storage = await open_storage(s3.url("wire", endpoint))
    line.cuts = iter((3 * MIB, 5 * MIB, 0, 2 * MIB))
    assert await bytes_of(storage, writer.location, 0, len(data)) == data
    assert line.cut >= 3
    await storage.delete(writer.location)
    await storage.stop()


async def test_a_server_that_is_gone_is_said_so(s3: Swift, wire: tuple[Wire, str]) -> None:
    line, endpoint = wire
    storage = await open_storage(s3.url("gone", endpoint))
    location = storage.location()
    offset, state = await paused(storage, location, b"x" * 10)
    line.cuts = itertools.repeat(0)
    await line.stop()
    writer = await storage.resume(location, offset, state)
    with pytest.raises(Unavailable):
        await writer.write(b"y")
    await writer.close()
    calls = (storage.healthy(), bytes_of(storage, location, 0, 1), storage.delete(location))
    await asyncio.gather(*(raised(Unavailable, call) for call in calls))  # each of them is tried for seconds
    line.cuts = iter(())
    writer = await storage.resume(location, offset, state)
    assert await writer.finish() == 10
    await writer.close()
    await storage.stop()
    with pytest.raises(Unavailable):
        await open_storage(s3.url("gone", f"http://127.0.0.1:{free_port()}"))


async def test_what_a_killed_instance_had_begun_goes_when_the_upload_is_finished(
    storage: Storage, again: Again
) -> None:
    location, data = storage.location(), os.urandom(17 * MIB)
    for each in (storage, await again()):  # neither gets its state into the records
        await paused(each, location, data)
    assert len(await all_of(storage)) == 4
    writer = await storage.resume(location, 0, b"")
    await writer.write(data)
    assert await writer.finish() == len(data)
    await writer.close()
    assert await all_of(storage) == [writer.location]


async def test_a_finish_whose_answer_was_lost_is_done(storage: Storage, again: Again) -> None:
    """Completed by one request, and asked for once more: the parts are gone, the object is there."""
    location, data = storage.location(), os.urandom(17 * MIB)
    offset, state = await paused(storage, location, data)
    first = await storage.resume(location, offset, state)
    assert await first.finish() == len(data)
    second = await (await again()).resume(location, offset, state)
    await raised(DataCorrupted, second.finish())
    await first.close()
    await second.close()
    assert await bytes_of(storage, first.location, 0, len(data)) == data
