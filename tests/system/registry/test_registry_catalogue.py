"""Which repositories somebody is shown, and how often the records are asked for that."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from pier.metadata.registry.records import SqlRecords
from pier.metadata.registry.sqlite import SqliteDatabase
from pier.metadata.registry.transaction import Transaction
from pier.registry.deps import Registry
from pier.registry.manifests.catalogue import catalogue
from pier.registry.principal import Action
from pier.registry.settings import Settings
from pier.registry.storages.opening import open_storage

NAMES = [f"team{number:04}/{word}" for number in range(3000) for word in ("app", "site")]


@dataclass
class Reader:
    """Implements Principal."""

    readable: set[str] = field(default_factory=set)
    name: str = "reader"

    async def may(self, action: Action, repository: str) -> bool:
        return repository in self.readable


class Counting(SqlRecords):
    questions = 0

    async def repositories(self, after: str = "", limit: int = 0, prefix: str = "") -> list[str]:
        self.questions += 1
        return await super().repositories(after, limit, prefix)


@pytest.fixture
async def registry(tmp_path: Path) -> AsyncIterator[Registry]:
    database = SqliteDatabase(tmp_path / "registry.db")

    def fill(sql: Transaction) -> None:
        sql.executemany("INSERT INTO repositories VALUES (?, 1)", [(name,) for name in NAMES])

    await database.write(fill)
    records, storage = Counting(database), await open_storage(f"file://{tmp_path}/blobs")
    yield Registry(records, storage, Settings())
    await storage.stop()
    await records.stop()


async def test_pages(registry: Registry) -> None:
    everything, some = Reader(set(NAMES)), Reader({"team0000/app", "team1500/site", "team2999/site"})
    assert await catalogue(registry, everything) == NAMES
    assert await catalogue(registry, everything, "team0000/app", 2) == ["team0000/site", "team0001/app"]
    assert await catalogue(registry, everything, word="9/site", limit=2) == ["team0009/site", "team0019/site"]
    assert await catalogue(registry, some, limit=2) == ["team0000/app", "team1500/site"]
    assert await catalogue(registry, some, "team1500/site", 2) == ["team2999/site"]
    assert await catalogue(registry, some, "team2999/site") == []


async def test_a_reader_of_few_of_many_asks_for_a_small_page(registry: Registry) -> None:
    """Whoever has signed in may ask for that, as often as they like."""
    assert await catalogue(registry, Reader({NAMES[-1]}), limit=2) == [NAMES[-1]]
    assert isinstance(registry.records, Counting)
    assert registry.records.questions < 20
