"""A database server that is there, takes what it is sent, and says nothing: its processes are stopped."""

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import aiohttp
import pytest

from pier.errors import Unavailable
from pier.metadata.registry.opening import open_records
from pier.testing.postgres import Server, postgres
from pier.testing.registryserver import pier_registry
from tests.system.registry.images import assert_whole, image, push
from tests.system.registry.waiting import eventually

PATIENCE = 60


@pytest.fixture
def server() -> Iterator[Server]:
    with postgres() as server:
        try:
            yield server
        finally:
            server.thaw()


async def until_ready(http: aiohttp.ClientSession) -> None:
    async def ready() -> bool:
        async with http.get("/readyz") as answer:
            return answer.status == 200

    await eventually(ready)


async def status_of(http: aiohttp.ClientSession, path: str) -> tuple[int, str]:
    async with http.get(path) as answer:
        return answer.status, answer.headers.get("Retry-After", "")


async def test_a_statement_has_an_end(server: Server) -> None:
    records = await open_records(server.url)
    await records.put_setting("before", b"x")
    server.freeze()
    asked = [asyncio.create_task(records.setting("before")) for _ in range(20)]
    asked += [asyncio.create_task(records.put_setting(f"n{number}", b"x")) for number in range(20)]
    async with asyncio.timeout(PATIENCE):
        outcomes = await asyncio.gather(*asked, return_exceptions=True)
    assert all(isinstance(each, Unavailable) for each in outcomes)
    server.thaw()

    async def answers() -> bool:
        with suppress(Unavailable):
            return await records.setting("before") == b"x"
        return False

    await eventually(answers)
    await asyncio.gather(*(records.setting("before") for _ in range(50)))
    await records.stop()


async def test_a_server_that_falls_silent_does_not_hold_the_end_up(server: Server) -> None:
    records = await open_records(server.url)
    server.freeze()
    asked = [asyncio.create_task(records.put_setting(f"n{number}", b"x")) for number in range(20)]
    await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
    async with asyncio.timeout(PATIENCE):
        await records.stop()
        outcomes = await asyncio.gather(*asked, return_exceptions=True)
    assert all(isinstance(each, Unavailable) for each in outcomes)


async def test_clients_are_told(server: Server, tmp_path: Path) -> None:
    """Also while many ask; /readyz says what it is, and afterwards all is as before."""
    async with (
        pier_registry(tmp_path, database=server.url) as registry,
        aiohttp.ClientSession(f"http://{registry.host}", connector=aiohttp.TCPConnector(limit=0)) as http,
    ):
        whole, interrupted = image(1000, 2000), image(3000, 4000)
        await push(http, "team/a", "1", whole)
        server.freeze()
        pushing = asyncio.create_task(push(http, "team/a", "2", interrupted))
        async with asyncio.timeout(PATIENCE), http.get("/readyz") as answer:
            assert answer.status == 503
            assert (await answer.json())["database"] == "unavailable"
        async with asyncio.timeout(PATIENCE):
            asked = await asyncio.gather(*(status_of(http, "/v2/team/a/manifests/1") for _ in range(60)))
        assert set(asked) == {(503, "5")}
        async with http.get("/healthz") as answer:
            assert answer.status == 200
        await asyncio.wait([pushing])
        assert "503" in str(pushing.exception())
        server.thaw()
        await until_ready(http)
        await assert_whole(http, "team/a", "1", whole)
        assert (await status_of(http, "/v2/team/a/manifests/2"))[0] == 404
        await push(http, "team/a", "2", interrupted)
        await assert_whole(http, "team/a", "2", interrupted)
    assert "does not answer" in registry.log.read_text()
