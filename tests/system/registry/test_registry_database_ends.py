"""A database that is stopped: what waits is done or refused, what comes later is refused, and nobody waits for ever."""

import asyncio
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

import aiohttp

from pier.errors import Unavailable
from pier.metadata.registry.opening import open_records
from pier.metadata.registry.records import SqlRecords
from pier.metadata.registry.sqlite import SqliteDatabase
from pier.registry.deps import Registry
from pier.registry.jobs import Kind, Worker
from pier.registry.model import Job
from pier.registry.settings import Settings
from pier.registry.storages.opening import open_storage
from pier.testing.postgres import postgres
from pier.testing.registryserver import pier_registry

PATIENCE = 60


async def write(records: SqlRecords, number: int) -> None:
    await records.put_setting(f"n{number}", b"x")


async def said(asked: Awaitable[object]) -> str:
    """What came of it; TimeoutError where nothing does."""
    async with asyncio.timeout(PATIENCE):
        try:
            await asked
        except Unavailable as error:
            return error.message
        return "done"


async def ends(url: str) -> None:
    records = await open_records(url)
    queued = [asyncio.create_task(write(records, number)) for number in range(200)]
    reading = [asyncio.create_task(records.setting("n0")) for _ in range(50)]
    assert await said(asyncio.create_task(records.stop())) == "done"
    outcomes = [await said(task) for task in queued]
    assert all(each == "done" or "stopped" in each for each in outcomes)
    assert all(each == "done" or "stopped" in each for each in [await said(task) for task in reading])
    for asked in (write(records, 1000), records.setting("n0"), records.healthy()):
        assert "is stopped" in await said(asked)
    await records.stop()
    again = await open_records(url)
    for number, outcome in enumerate(outcomes):
        assert (await again.setting(f"n{number}") is not None) == (outcome == "done")
    assert await again.setting("n1000") is None
    await again.stop()


async def test_a_file_is_closed(tmp_path: Path) -> None:
    await ends(f"sqlite://{tmp_path}/registry.db")


async def test_nobody_waits_for_a_writer_that_breaks(tmp_path: Path) -> None:
    """Here the file is closed under it: no statement works any more, not even the one that takes all back."""
    database = SqliteDatabase(tmp_path / "registry.db")

    def broken(sql: Any) -> None:
        sql.raw.close()

    for work in (broken, broken, lambda sql: sql.execute("SELECT 1")):
        assert "broken" in await said(database.write(work))
    assert await said(database.stop()) == "done"


async def test_a_job_that_is_taken_when_its_worker_is_stopped_is_given_back(tmp_path: Path) -> None:
    class Stopping(SqlRecords):
        async def take_job(self, kinds: tuple[str, ...], now: int, until: int) -> Job | None:
            job = await super().take_job(kinds, now, until)
            running.cancel()
            return job

    records = Stopping(SqliteDatabase(tmp_path / "registry.db"))
    storage = await open_storage(f"file://{tmp_path}/blobs")
    done: list[Job] = []

    async def perform(job: Job) -> None:
        done.append(job)

    registry = Registry(records, storage, Settings())
    await records.add_job(Job(id="1", kind="test/a", detail=b"{}", due=0))
    running = asyncio.create_task(Worker(registry, "test", {"a": Kind(perform)}).run())
    await asyncio.wait([running])
    assert running.cancelled()
    assert not done
    (job,) = await records.jobs()
    assert job.due <= registry.now()
    await storage.stop()
    await records.stop()


async def test_a_server_is_left() -> None:
    with postgres() as server:
        await ends(server.url)


async def test_a_server_that_is_away_is_a_matter_of_the_log(tmp_path: Path) -> None:
    """One line an event, also of what the library for PostgreSQL says; clients are not told where it is."""
    with postgres() as server:
        async with (
            pier_registry(tmp_path, database=server.url) as registry,
            aiohttp.ClientSession(f"http://{registry.host}") as http,
        ):
            server.stop()
            async with http.get("/v2/team/a/tags/list") as answer:
                assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
                (error,) = (await answer.json())["errors"]
            assert error == {"code": "UNAVAILABLE", "message": "the registry cannot answer just now"}
            async with asyncio.timeout(PATIENCE):
                while 'msg="database: error connecting' not in (
                    said := await asyncio.to_thread(registry.log.read_text)
                ):
                    pass
        assert 'msg="a request failed" path=/v2/team/a/tags/list reason="the database ' in said
        assert [line for line in said.splitlines() if not line.startswith("time=")] == []
