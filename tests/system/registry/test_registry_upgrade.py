"""A database as the first version has left it is brought up to date, with all that is in it.

A new entry of MIGRATIONS needs its way back here.
"""

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import aiohttp
import psycopg
import pytest

from pier.testing.postgres import Server, postgres
from pier.testing.registrypeople import password, settle
from pier.testing.registryserver import pier_registry
from tests.system.registry.images import assert_whole, delete, image, push
from tests.system.registry.waiting import until

BACK = [
    *(f"DROP TABLE {table}" for table in ("runs", "cached", "cached_tags")),
    "ALTER TABLE links DROP COLUMN holders",
]
NAME = "team/site"
KIB = 1 << 10


@pytest.fixture
def server() -> Iterator[Server]:
    with postgres() as made:
        yield made


def put_back(url: str) -> None:
    """To the first schema: what later ones have added goes."""
    if url.startswith("sqlite://"):
        with closing(sqlite3.connect(url.removeprefix("sqlite://"))) as raw:
            for statement in (*BACK, "PRAGMA user_version=1"):
                raw.execute(statement)
            raw.commit()
        return
    with psycopg.connect(url) as connection:
        for statement in (*BACK, "DELETE FROM schema_version WHERE version > 1"):
            connection.execute(statement)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_everything_is_there_afterwards(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    (tmp_path / "pier-registry").mkdir()
    url = f"sqlite://{tmp_path}/pier-registry/registry.db"
    if kind == "postgresql":
        url = request.getfixturevalue("server").url
    await settle(url)
    root = {"Authorization": aiohttp.encode_basic_auth("root", password("root"))}
    first, second = image(50 * KIB), image(KIB)
    settings = {"database": url, "collect_every": 1}
    async with (
        pier_registry(tmp_path, **settings) as registry,
        aiohttp.ClientSession(f"http://{registry.host}", headers=root) as http,
    ):
        await push(http, NAME, "1", first)
    await asyncio.to_thread(put_back, url)
    async with (
        pier_registry(tmp_path, **settings) as registry,
        aiohttp.ClientSession(f"http://{registry.host}", headers=root) as http,
    ):
        await assert_whole(http, NAME, "1", first)
        await push(http, NAME, "2", second)
        await assert_whole(http, NAME, "2", second)
        async with http.get("/api/v1/runs") as answer:
            assert (answer.status, await answer.json()) == (200, [])
        await delete(http, NAME, "1")
        blobs = registry.root / "blobs"
        await until(lambda: asyncio.to_thread(size_of, blobs), lambda size: size <= 50 * KIB, 150)


def size_of(folder: Path) -> int:
    """Files may go while one looks."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file() and file.exists())
