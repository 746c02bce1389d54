"""Whoever does jobs goes on doing them, whatever the database says meanwhile."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from pier.errors import Unavailable
from pier.metadata.registry.opening import open_records
from pier.metadata.registry.records import SqlRecords
from pier.metadata.registry.sqlite import SqliteDatabase
from pier.registry.deps import Registry
from pier.registry.jobs import Kind, Worker
from pier.registry.model import Job
from pier.registry.records import Records
from pier.registry.settings import Settings
from pier.registry.storages.opening import open_storage
from pier.testing.postgres import postgres
from tests.system.registry.waiting import eventually

PATIENCE = 60


@asynccontextmanager
async def working(
    records: Records, folder: Path, clock: Callable[[], float] = time.time
) -> AsyncIterator[asyncio.Queue[str]]:
    """Within, jobs of the kind ``test/a`` are done; what came has their names."""
    done: asyncio.Queue[str] = asyncio.Queue()

    async def perform(job: Job) -> None:
        done.put_nowait(job.id)

    storage = await open_storage(f"file://{folder}/blobs")
    registry = Registry(records, storage, Settings(), clock)
    task = asyncio.create_task(Worker(registry, "test", {"a": Kind(perform)}).run())
    try:
        yield done
        assert not task.done()
    finally:
        task.cancel()
        await asyncio.wait([task])
        await storage.stop()


def job(name: str, due: int = 0) -> Job:
    return Job(id=name, kind="test/a", detail=b"{}", due=due)


async def test_a_defect_ends_no_worker(tmp_path: Path) -> None:
    class Failing(SqlRecords):
        failures = 2

        async def jobs(self, kinds: tuple[str, ...] = ()) -> list[Job]:
            raise ZeroDivisionError("a defect")

        async def take_job(self, kinds: tuple[str, ...], now: int, until: int) -> Job | None:
            self.failures -= 1
            if self.failures >= 0:
                raise ZeroDivisionError("a defect")
            return await super().take_job(kinds, now, until)

    records = Failing(SqliteDatabase(tmp_path / "registry.db"))
    await records.add_job(job("first"))
    async with working(records, tmp_path) as done, asyncio.timeout(PATIENCE):
        assert await done.get() == "first"
    await records.stop()


async def test_a_database_that_takes_no_writes_for_a_while(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A standby, before it takes over."""
    import psycopg

    with postgres() as server:
        records = await open_records(server.url)

        def writes(are: bool) -> None:
            with psycopg.connect(server.url, autocommit=True, options="-c default_transaction_read_only=off") as raw:
                raw.execute(f"ALTER DATABASE postgres SET default_transaction_read_only = {'off' if are else 'on'}")
                raw.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")

        async def complained() -> bool:
            return "jobs cannot be taken" in caplog.text

        now = [1.0]
        await records.add_job(job("before"))
        await records.add_job(job("meanwhile", due=2))
        async with working(records, tmp_path, lambda: now[0]) as done, asyncio.timeout(PATIENCE):
            assert await done.get() == "before"
            await asyncio.to_thread(writes, False)
            with pytest.raises(Unavailable, match="takes no writes"):
                await records.add_job(job("refused"))
            now[0] = 3.0
            await eventually(complained)
            await asyncio.to_thread(writes, True)
            assert await done.get() == "meanwhile"
        await records.stop()
