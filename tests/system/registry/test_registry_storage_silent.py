"""An object storage that takes connections and says nothing, from the start or from some byte on."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest

from pier.errors import Unavailable
from pier.oci.digest import sha256
from pier.registry.storages.opening import open_storage
from pier.testing.registryserver import pier_registry
from pier.testing.swift import Swift, swift
from tests.system.registry.images import Refused, push_blob

MIB = 1 << 20
PATIENCE = 120
NAME = "team/a"


class Line:
    """A TCP relay to the server. ``passes``: how many bytes of answer a connection brings before it falls silent, by
    turn; ``silent``: all do, and nothing that is sent is read either."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._tasks: set[asyncio.Task[None] | None] = set()
        self.passes: Iterator[int] = iter(())
        self.silent = False

    async def relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._tasks.add(asyncio.current_task())
        limit = next(self.passes, -1)
        there, back = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            await asyncio.gather(self._pump(reader, back, -1), self._pump(there, writer, limit))
        finally:
            for each in (back, writer):
                each.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, limit: int) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(64 << 10):
                if self.silent or 0 <= limit < len(data):
                    await asyncio.Event().wait()
                limit -= len(data) if limit > 0 else 0
                writer.write(data)
                await writer.drain()
        writer.close()

    async def stop(self) -> None:
        tasks = [task for task in self._tasks if task and not task.done()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@pytest.fixture
async def s3(tmp_path: Path) -> AsyncIterator[Swift]:
    async with swift(tmp_path) as server:
        yield server


@pytest.fixture
async def line(s3: Swift) -> AsyncIterator[tuple[Line, str]]:
    line = Line(urlsplit(s3.endpoint).port or 0)
    server = await asyncio.start_server(line.relay, "127.0.0.1", 0)
    yield line, s3.url("x", f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    server.close()
    await line.stop()


async def refused(http: aiohttp.ClientSession, method: str, path: str, data: bytes | None = None) -> str:
    """It is said within two silences, and a pause between."""
    async with asyncio.timeout(PATIENCE), http.request(method, path, data=BytesIO(data) if data else None) as answer:
        assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
        return await answer.text()


async def not_opened(storage: str) -> None:
    with pytest.raises(Unavailable, match="bucket blobs: the object storage is silent"):
        await open_storage(storage)


async def test_clients_are_told(line: tuple[Line, str], tmp_path: Path) -> None:
    wire, storage = line
    small, large = os.urandom(100), os.urandom(17 * MIB)
    async with (
        pier_registry(tmp_path, storage=storage) as registry,
        aiohttp.ClientSession(f"http://{registry.host}") as http,
    ):
        await push_blob(http, NAME, small)
        wire.silent = True
        blob = f"/v2/{NAME}/blobs/{sha256(small)}"
        uploads = f"/v2/{NAME}/blobs/uploads/?digest="
        other = os.urandom(100)
        _, *said = await asyncio.gather(
            not_opened(storage),
            refused(http, "GET", blob),
            refused(http, "POST", uploads + sha256(other), other),
            refused(http, "POST", uploads + sha256(large), large),
        )
        assert all("cannot answer just now" in each for each in said)
        async with http.head(blob) as answer:
            assert answer.status == 200
        async with asyncio.timeout(PATIENCE), http.get("/readyz") as answer:
            assert (answer.status, (await answer.json())["storage"]) == (503, "unavailable")
        wire.silent = False
        for data in (other, large):
            await push_blob(http, NAME, data)
            async with http.get(f"/v2/{NAME}/blobs/{sha256(data)}") as answer:
                assert await answer.read() == data
    said_in_log = [each for each in registry.log.read_text().splitlines() if 'msg="a request failed"' in each]
    assert len(said_in_log) >= 3
    assert any("the object storage is silent" in each for each in said_in_log)


async def test_a_blob_goes_on_behind_a_silence(line: tuple[Line, str], tmp_path: Path) -> None:
    """A connection that falls silent is replaced; one that does so without a byte, twice, ends the answer."""
    wire, storage = line
    data = os.urandom(8 * MIB)
    async with (
        pier_registry(tmp_path, storage=storage) as registry,
        aiohttp.ClientSession(f"http://{registry.host}") as http,
    ):
        await push_blob(http, NAME, data)
        await wire.stop()
        wire.passes = iter((3 * MIB,))
        async with asyncio.timeout(PATIENCE), http.get(f"/v2/{NAME}/blobs/{sha256(data)}") as answer:
            assert await answer.read() == data
        await wire.stop()
        wire.passes = iter((3 * MIB, 0, 0, 0))
        async with asyncio.timeout(PATIENCE), http.get(f"/v2/{NAME}/blobs/{sha256(data)}") as answer:
            with pytest.raises(aiohttp.ClientPayloadError):
                await answer.read()
    assert 'msg="an answer was broken off"' in registry.log.read_text()


async def test_a_push_that_is_refused_leaves_nothing(line: tuple[Line, str], tmp_path: Path) -> None:
    wire, storage = line
    async with (
        pier_registry(tmp_path, storage=storage) as registry,
        aiohttp.ClientSession(f"http://{registry.host}") as http,
    ):
        data = os.urandom(MIB)
        async with http.post(f"/v2/{NAME}/blobs/uploads/") as begun:
            where = begun.headers["Location"]
        wire.silent = True
        with pytest.raises(Refused, match="503"):
            await push_blob(http, NAME, data)
        async with http.head(f"/v2/{NAME}/blobs/{sha256(data)}") as answer:
            assert answer.status == 404
        wire.silent = False
        async with http.put(f"{where}?digest={sha256(data)}", data=BytesIO(data)) as answer:
            assert answer.status == 201
