"""What is remembered of who may do what."""

from pathlib import Path

import pytest

from pier.daemon.registryaccess import open_gate
from pier.metadata.registry.records import SqlRecords
from pier.metadata.registry.sqlite import SqliteDatabase
from pier.registry.deps import Registry
from pier.registry.model import Project
from pier.registry.settings import Settings
from pier.registry.storages.opening import open_storage


class Counting(SqlRecords):
    """``asked``: the projects that somebody wanted to know of."""

    def __init__(self, database: SqliteDatabase) -> None:
        super().__init__(database)
        self.asked: list[str] = []

    async def project(self, name: str) -> Project | None:
        self.asked.append(name)
        return await super().project(name)


@pytest.mark.parametrize("name", ["x" * 8000, "Team/a", "team/../a", "a\0b", ""])
async def test_what_is_no_name_is_not_asked_for_and_not_remembered(tmp_path: Path, name: str) -> None:
    """Nobody has signed in, and may ask for anything: ten thousand answers are remembered."""
    records = Counting(SqliteDatabase(tmp_path / "registry.db"))
    storage = await open_storage(f"file://{tmp_path}/blobs")
    gate = await open_gate(Registry(records, storage, Settings()))
    assert not await gate.people.public(name)
    assert records.asked == []
    assert not await gate.people.public("team/a")
    assert records.asked == ["team"]
    await gate.passwords.stop()
    await storage.stop()
    await records.stop()
