"""The registry is killed in the middle of pushes and deletions, and loses nothing that it has answered for."""

import asyncio
import os
import random
import signal
import sys
import time
from pathlib import Path

import aiohttp

from pier.linux import process
from pier.metadata.registry.opening import open_records
from pier.registry.deps import Registry
from pier.registry.housekeeping.check import check
from pier.registry.housekeeping.collect import collect, end_stale_uploads
from pier.registry.housekeeping.retain import retain
from pier.registry.model import Project, Rule
from pier.registry.settings import Settings
from pier.registry.storages.opening import open_storage
from pier.testing.registryserver import PierRegistry, pier_registry
from tests.system.registry.images import Image, Refused, assert_whole, delete, image, push, push_blob

KILLS = 50
CLIENTS = 6
NAME = "team/app"
SHARED = [os.urandom(30_000) for _ in range(3)]


class Promises:
    """What the registry has said of each tag: ``there`` holds what has to be there.

    A tag whose last request was cut off is in ``open`` instead: either way is right, but nothing in between.
    """

    def __init__(self) -> None:
        self.there: dict[str, Image] = {}
        self.open: dict[str, tuple[Image | None, Image | None]] = {}
        self.answered = 0

    async def push(self, http: aiohttp.ClientSession, tag: str) -> None:
        made = image(random.choice((10, 3000, 300_000)), also=[random.choice(SHARED)])
        before = self.there.pop(tag, None)
        self.open[tag] = (before, made)
        try:
            await push(http, NAME, tag, made)
        except Refused as refused:
            assert refused.status == 400 and "MANIFEST_BLOB_UNKNOWN" in str(refused), refused
            self._settle(tag, before)
        else:
            self._settle(tag, made)

    async def delete(self, http: aiohttp.ClientSession, tag: str) -> None:
        self.open[tag] = (self.there.pop(tag), None)
        await delete(http, NAME, tag)
        self._settle(tag, None)

    def _settle(self, tag: str, now: Image | None) -> None:
        self.answered += 1
        del self.open[tag]
        if now:
            self.there[tag] = now

    async def kept(self, http: aiohttp.ClientSession) -> None:
        for tag, (before, after) in list(self.open.items()):
            async with http.get(f"/v2/{NAME}/manifests/{tag}") as answer:
                found = await answer.read() if answer.status == 200 else None
            assert found in (before.manifest if before else None, after.manifest if after else None)
            self._settle(tag, next((each for each in (before, after) if each and each.manifest == found), None))
            self.answered -= 1
        for tag, made in self.there.items():
            await assert_whole(http, NAME, tag, made)
        async with http.get(f"/v2/{NAME}/tags/list") as answer:
            assert set((await answer.json()).get("tags") or ()) == set(self.there)


async def _rush(registry: PierRegistry, promises: Promises, number: int) -> None:
    """One client, until its server is gone."""
    async with aiohttp.ClientSession(f"http://{registry.host}") as http:
        while True:
            tag = f"t{number}-{random.randrange(3)}"
            try:
                if tag in promises.there and random.random() < 0.4:
                    await promises.delete(http, tag)
                else:
                    await promises.push(http, tag)
            except aiohttp.ClientError:
                return


async def _looked_over(root: Path, later: int) -> tuple[list[str], int]:
    """What a check finds apart from leftovers, and how many of those there were; the latter have gone after it."""
    records, storage = await open_records(f"sqlite://{root}/registry.db"), await open_storage(f"file://{root}/blobs")
    registry = Registry(records, storage, Settings(), clock=lambda: time.time() + later)
    if later:
        await records.put_project(Project(name="team", retention=(Rule(untagged=True),)))
        assert [each.tag async for each in retain(registry) if each.tag] == []
        await end_stale_uploads(registry)
        await collect(Registry(records, storage, Settings(), clock=lambda: time.time() + later + 60))
    found = [each async for each in check(registry, fix=True, data=True)]
    await storage.stop()
    await records.stop()
    leftovers = [each for each in found if each.kind == "leftover"]
    return [each.text for each in found if each not in leftovers], len(leftovers)


async def test_fifty_kills_lose_nothing(tmp_path: Path) -> None:
    promises = Promises()
    promises.there["first"] = image(100)
    async with pier_registry(tmp_path) as registry, aiohttp.ClientSession(f"http://{registry.host}") as http:
        await push(http, NAME, "first", promises.there["first"])
    for turn in range(KILLS):
        async with pier_registry(tmp_path, collect_every=1, access_log=False) as registry:
            async with aiohttp.ClientSession(f"http://{registry.host}") as http:
                await promises.kept(http)
            before = promises.answered
            rushing = [asyncio.create_task(_rush(registry, promises, number)) for number in range(CLIENTS)]
            while turn % 2 and promises.answered < before + 6:
                await asyncio.wait(rushing, timeout=0.01)
            await asyncio.wait(rushing, timeout=random.random() * 0.4)
            registry.child.send_signal(signal.SIGKILL)
            await asyncio.gather(*rushing)
        assert await _looked_over(registry.root, 0) == ([], 0)
    assert promises.answered > 2 * KILLS
    async with pier_registry(tmp_path) as registry, aiohttp.ClientSession(f"http://{registry.host}") as http:
        await promises.kept(http)
        assert await _looked_over(registry.root, 2 * Settings().upload_life) == ([], 0)
        await promises.kept(http)
    needed = {blob for made in promises.there.values() for blob in made.blobs}
    assert sorted(path.stat().st_size for path in _files(registry.root)) == sorted(map(len, needed))


async def test_collections_that_are_killed(tmp_path: Path) -> None:
    """What one has claimed and not deleted, the next one does; and nobody loses what is needed."""
    async with pier_registry(tmp_path) as registry, aiohttp.ClientSession(f"http://{registry.host}") as http:
        kept = image(1000, also=SHARED)
        await push(http, NAME, "kept", kept)
        await asyncio.gather(*(_garbage(http) for _ in range(8)))
        before = len(_files(registry.root))
        counts = [before]
        for turn in range(12):
            argv = [sys.executable, str(Path(__file__).with_name("collecting.py")), str(registry.root), str(turn)]
            child, lines = await _started(argv)
            ended = asyncio.ensure_future(lines.read())
            while turn % 2 and len(kept.blobs) < len(_files(registry.root)) == counts[-1]:
                await asyncio.wait([ended], timeout=0.001)
            await asyncio.wait([ended], timeout=random.random() / 40)
            child.send_signal(signal.SIGKILL)
            await child.wait()
            counts.append(len(_files(registry.root)))
            assert (await _looked_over(registry.root, 0))[0] == []
            await assert_whole(http, NAME, "kept", kept)
        assert before > 400 and len(set(counts)) > 2, counts
        assert await _looked_over(registry.root, 20 * Settings().upload_life) == ([], 0)
        assert len(_files(registry.root)) == len(kept.blobs)
        await assert_whole(http, NAME, "kept", kept)


async def _garbage(http: aiohttp.ClientSession) -> None:
    for _ in range(60):
        await push_blob(http, NAME, os.urandom(100))


async def _started(argv: list[str]) -> tuple[process.Child, asyncio.StreamReader]:
    """A child that has said that it is ready."""
    reader, writer = os.pipe()
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    child = await process.spawn(argv, stdin=process.DEVNULL, stdout=writer, env=environment)
    os.close(writer)
    stream = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(stream), os.fdopen(reader, "rb")
    )
    assert await stream.readline() == b"ready\n"
    return child, stream


def _files(root: Path) -> list[Path]:
    return [path for path in (root / "blobs").rglob("*") if path.is_file()]
