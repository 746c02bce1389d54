"""A backup as the manual has it, taken while people push and delete: all that was answered before it is in it."""

import asyncio
import itertools
import sqlite3
import subprocess
import sys
from contextlib import closing, suppress
from pathlib import Path

import aiohttp

from pier.testing.postgres import Server, postgres
from pier.testing.registryserver import PierRegistry, pier_registry
from tests.system.registry.images import Image, assert_whole, delete, image, push

KIB = 1 << 10
NAME = "team/site"


async def copied(blobs: Path, to: Path) -> None:
    """What is new and what has changed; some of it may go meanwhile."""
    argv = ["cp", "--archive", "--update", str(blobs), str(to)]
    done = await asyncio.to_thread(subprocess.run, argv, capture_output=True, text=True)
    assert all("No such file" in line for line in done.stderr.splitlines()), done.stderr


def dumped(database: Path, to: Path) -> None:
    """As ``sqlite3 registry.db ".backup …"`` does."""
    with closing(sqlite3.connect(database)) as source, closing(sqlite3.connect(to)) as target:
        source.backup(target)


async def busy(http: aiohttp.ClientSession, answered: dict[str, Image]) -> None:
    """Until cancelled: ever new images, of which every third goes again."""
    for number in itertools.count():
        pushed = image(100 * KIB)
        await push(http, NAME, f"t{number}", pushed)
        answered[f"t{number}"] = pushed
        if number % 3 == 2:
            del answered[f"t{number - 1}"]
            await delete(http, NAME, f"t{number - 1}")


async def checked(*words: str) -> str:
    argv = [sys.executable, "-m", "pier.daemon.registrykeep", "fsck", *words]
    done = await asyncio.to_thread(subprocess.run, argv, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


async def all_there(registry: PierRegistry, wanted: dict[str, Image]) -> None:
    async with aiohttp.ClientSession(f"http://{registry.host}") as http:
        for tag, pushed in wanted.items():
            await assert_whole(http, NAME, tag, pushed)


async def test_a_folder_and_sqlite(tmp_path: Path) -> None:
    before, kept, after = (tmp_path / name for name in ("before", "kept", "after"))
    for folder in (before, kept, after):
        folder.mkdir()
    answered: dict[str, Image] = {}
    async with (
        pier_registry(before) as registry,
        aiohttp.ClientSession(f"http://{registry.host}") as http,
    ):
        pushing = asyncio.create_task(busy(http, answered))
        while len(answered) < 20:
            await asyncio.sleep(0)
            assert not pushing.done(), pushing
        await copied(registry.root / "blobs", kept)
        wanted = dict(answered)
        await asyncio.to_thread(dumped, registry.root / "registry.db", kept / "registry.db")
        await copied(registry.root / "blobs", kept)
        later = dict(answered)
        pushing.cancel()
        with suppress(asyncio.CancelledError):
            await pushing
    root = after / "pier-registry"
    await asyncio.to_thread(subprocess.run, ["cp", "--archive", str(kept), str(root)], check=True)
    assert "0 lost" in await checked(f"--root={root}", "--fix")
    assert "0 lost, 0 other findings" in await checked(f"--root={root}", "--data")
    async with pier_registry(after) as registry:
        await all_there(registry, {tag: each for tag, each in wanted.items() if tag in later})


async def test_postgresql(tmp_path: Path) -> None:
    """One dump, into a database that is empty."""
    before, after = tmp_path / "before", tmp_path / "after"
    before.mkdir()
    after.mkdir()
    with postgres() as server:
        pushed = image(KIB)
        async with (
            pier_registry(before, database=server.url) as registry,
            aiohttp.ClientSession(f"http://{registry.host}") as http,
        ):
            await push(http, NAME, "1", pushed)
        blobs = f"file://{registry.root}/blobs"
        with postgres() as other:
            await asyncio.to_thread(moved, server, other, tmp_path / "registry.dump")
            assert "0 lost, 0 other findings" in await checked(f"--database={other.url}", f"--storage={blobs}")
            async with pier_registry(after, database=other.url, storage=blobs) as again:
                await all_there(again, {"1": pushed})


def moved(server: Server, other: Server, file: Path) -> None:
    subprocess.run(["pg_dump", "--format=custom", f"--file={file}", server.url], check=True, timeout=60)
    subprocess.run(["pg_restore", f"--dbname={other.url}", str(file)], check=True, timeout=60)
