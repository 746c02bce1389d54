"""The stores of the build cache: the suite, in memory and in the database."""

import pytest

from pier.build.cache import CacheRecord, CacheStore
from pier.metadata.build import SqliteCacheStore
from pier.metadata.db import Database
from pier.testing.buildcache import CacheStoreSuite, MemoryCacheStore


class TestMemory(CacheStoreSuite):
    @pytest.fixture
    def store(self) -> CacheStore:
        return MemoryCacheStore()


class TestSqlite(CacheStoreSuite):
    @pytest.fixture
    def store(self) -> CacheStore:
        return SqliteCacheStore(Database(":memory:"))


def test_another_process_finds_the_records(tmp_path: object) -> None:
    path = f"{tmp_path}/pier.db"
    database = Database(path)
    SqliteCacheStore(database).put(CacheRecord(key="k", used=3))
    SqliteCacheStore(database).touch(["k"], 4)
    database.close()
    again = Database(path)
    assert SqliteCacheStore(again).get("k") == CacheRecord(key="k", used=4, uses=1)
    again.close()
