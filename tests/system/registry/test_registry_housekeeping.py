"""Housekeeping while the registry serves: space comes back, nothing that is needed goes, and a check says so."""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from io import BytesIO
from pathlib import Path

import aiohttp
import pytest

from pier.linux import process
from pier.metadata.registry.opening import open_records
from pier.oci.digest import sha256
from pier.registry.deps import Registry
from pier.registry.housekeeping.check import check
from pier.registry.housekeeping.collect import collect, end_stale_uploads
from pier.registry.housekeeping.retain import Doomed, retain
from pier.registry.housekeeping.rules import DAY
from pier.registry.model import Project, Rule
from pier.registry.settings import Settings
from pier.registry.storages.opening import open_storage
from pier.testing.registryserver import PierRegistry, pier_registry
from tests.system.registry.images import Image, Refused, assert_whole, delete, image, push, push_blob, put

MEGABYTE = 1 << 20
LATER = 30 * DAY


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[PierRegistry]:
    async with pier_registry(tmp_path, collect_every=1, retain_every=1) as running:
        yield running


@pytest.fixture
async def http(server: PierRegistry) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(f"http://{server.host}") as session:
        yield session


@asynccontextmanager
async def beside(root: Path, later: int = 0) -> AsyncIterator[Registry]:
    """Another instance over the same database and storage, whose clock is ahead."""
    records = await open_records(f"sqlite://{root}/registry.db")
    storage = await open_storage(f"file://{root}/blobs")
    yield Registry(records, storage, Settings(), clock=lambda: time.time() + later)
    await storage.stop()
    await records.stop()


async def findings(registry: Registry, *, fix: bool = False, data: bool = True) -> list[tuple[str, str]]:
    return [(found.kind, found.text) async for found in check(registry, fix=fix, data=data)]


def used(root: Path) -> int:
    """What ``du`` says."""
    return sum(path.stat().st_blocks * 512 for path in (root / "blobs").rglob("*") if path.is_file())


async def until_used(root: Path, most: int, seconds: float) -> None:
    async with asyncio.timeout(seconds):
        while used(root) > most:
            await asyncio.wait([asyncio.ensure_future(asyncio.Event().wait())], timeout=0.05)


async def test_space_comes_back_soon_after_a_tag_goes(server: PierRegistry, http: aiohttp.ClientSession) -> None:
    """Within four collections at most; with the default of 15 s between two that is less than 60 s."""
    base = os.urandom(MEGABYTE)
    small, large = image(also=[base]), image(3 * MEGABYTE, 5 * MEGABYTE, also=[base])
    await push(http, "team/a", "small", small)
    await push(http, "team/a", "large", large)
    assert used(server.root) >= 9 * MEGABYTE
    await delete(http, "team/a", "large")
    await until_used(server.root, MEGABYTE + 64 * 1024, 60)
    await assert_whole(http, "team/a", "small", small)
    assert 4 * Settings().collect_every <= 60


async def test_pushes_under_way_keep_what_a_deletion_frees(server: PierRegistry, http: aiohttp.ClientSession) -> None:
    """A pusher that was told that a layer is here finds it here, though its image has gone meanwhile."""
    base = os.urandom(MEGABYTE)
    first, second = image(also=[base]), image(also=[base])
    await push(http, "team/a", "1", first)
    async with http.head(f"/v2/team/a/blobs/{sha256(base)}") as answer:
        assert answer.status == 200
    await delete(http, "team/a", "1")
    await push_blob(http, "team/a", second.blobs[0])
    await put(http, "team/a", "2", second)
    await assert_whole(http, "team/a", "2", second)


async def test_pushers_lose_nothing_to_a_looping_collection(server: PierRegistry, http: aiohttp.ClientSession) -> None:
    """Collections and checks of two instances run without a pause, while 20 push and delete images that share layers.

    Who deletes images makes others' pushes find a layer gone in rare cases: that is said, and nothing else.
    """
    shared = [os.urandom(50_000) for _ in range(4)]
    pushed = asyncio.Event()

    async def collecting() -> int:
        turns = 0
        async with beside(server.root) as other:
            while not pushed.is_set():
                await collect(other)
                await end_stale_uploads(other)
                assert [each for each in await findings(other, fix=True, data=False) if each[0] != "leftover"] == []
                turns += 1
        return turns

    async def pusher(number: int) -> None:
        for turn in range(8):
            made = image(1000 + number, also=[shared[number % 4], shared[(number + turn) % 4]])
            try:
                await push(http, f"team/{number % 3}", f"t{number}-{turn}", made)
            except Refused as refused:
                assert refused.status == 400 and "MANIFEST_BLOB_UNKNOWN" in str(refused)
                continue
            await assert_whole(http, f"team/{number % 3}", f"t{number}-{turn}", made)
            if turn % 3 == 1:
                await delete(http, f"team/{number % 3}", f"t{number}-{turn}")
            else:
                kept.append((f"team/{number % 3}", f"t{number}-{turn}", made))

    kept: list[tuple[str, str, Image]] = []
    task = asyncio.create_task(collecting())
    await asyncio.gather(*(pusher(number) for number in range(20)))
    pushed.set()
    assert await task > 3
    for name, tag, made in kept:
        await assert_whole(http, name, tag, made)
    assert len(kept) > 90
    async with beside(server.root) as other:
        assert await findings(other) == []


async def test_uploads_that_were_left(server: PierRegistry, http: aiohttp.ClientSession) -> None:
    async with http.post("/v2/team/a/blobs/uploads/") as begun:
        where = begun.headers["Location"]
    async with http.patch(where, data=BytesIO(os.urandom(MEGABYTE))) as answer:
        assert answer.status == 202
    async with beside(server.root, Settings().upload_life + 2) as later:
        assert await end_stale_uploads(later) == 1
    assert used(server.root) == 0
    async with http.patch(where, data=b"more") as answer:
        assert answer.status == 404


async def test_retention(server: PierRegistry, http: aiohttp.ClientSession) -> None:
    """Rules that hold now are done soon; old tags go when they are old; a dry run says so before."""
    for name in ("release-1", "nightly-1", "nightly-2", "nightly-3"):
        await push(http, "team/a", name, image(1000))
    loose, moved = image(1000), image(1000)
    await push(http, "team/a", loose.digest, loose)
    await push(http, "team/a", "release-2", moved)
    await push(http, "team/a", "release-2", image(1000))
    rules = (Rule(days=7), Rule(days=3, untagged=True))
    async with beside(server.root, LATER) as later:
        await later.records.put_project(Project(name="team", immutable=("release-*",), retention=rules))
        said = [each async for each in retain(later, dry_run=True)]
        assert {each.tag for each in said} == {"nightly-1", "nightly-2", "nightly-3", ""}
        assert {each.digest for each in said if not each.tag} == {loose.digest, moved.digest}
        assert len(await later.records.tags("team/a")) == 5
        keep = Project(name="team", retention=(Rule(pattern="nightly-*", keep=2),))
        await later.records.put_project(keep)
        async with asyncio.timeout(60):
            while len(tags := await later.records.tags("team/a")) > 4:
                pass
        assert len([tag for tag in tags if tag.name.startswith("nightly-")]) == 2
        await later.records.put_project(Project(name="team", immutable=("release-*",), retention=rules))
        gone: list[Doomed] = [each async for each in retain(later)]
        assert len(gone) == 4
        assert [tag.name for tag in await later.records.tags("team/a")] == ["release-1", "release-2"]
        assert len(await later.records.manifests("team/a")) == 2


async def test_a_project_over_its_quota_is_told_before_it_uploads(
    server: PierRegistry, http: aiohttp.ClientSession
) -> None:
    async with beside(server.root) as other:
        await other.records.put_project(Project(name="team", quota=MEGABYTE))
    await push(http, "team/a", "1", image(500_000))
    first = image(700_000)
    with pytest.raises(Refused, match=r"403 .*would take 1200200 bytes, of 1048576 that it may"):
        await push(http, "team/b", "2", first)
    await push(http, "other/a", "1", first)
    await push(http, "team/b", "1", image(200_000))
    async with beside(server.root) as other:
        await other.records.put_project(Project(name="team", quota=700_000))
    async with http.post("/v2/team/b/blobs/uploads/") as answer:
        assert answer.status == 403 and "of 700000 that it may" in await answer.text()


async def test_a_push_that_is_refused_half_way_keeps_nobody_out(
    server: PierRegistry, http: aiohttp.ClientSession
) -> None:
    """Its manifest never comes: what it has brought would count until the lease ends."""
    async with beside(server.root) as other:
        await other.records.put_project(Project(name="team", quota=MEGABYTE))
    with pytest.raises(Refused, match="403"):
        await push(http, "team/a", "1", image(600_000, 600_000, 600_000))
    async with asyncio.timeout(60):
        while (await _refused(http, "team/b")) == 403:
            pass
    await push(http, "team/b", "1", image(200_000))


async def _refused(http: aiohttp.ClientSession, name: str) -> int:
    async with http.post(f"/v2/{name}/blobs/uploads/") as answer:
        return answer.status


async def command(server: PierRegistry, *words: str) -> tuple[int, list[str]]:
    argv = [sys.executable, "-m", "pier.daemon.registrykeep", *words, "--root", str(server.root)]
    done = await process.run(argv)
    assert not done.stderr, done.stderr.decode()
    return done.returncode, done.stdout.decode().splitlines()


async def test_a_check_finds_what_is_wrong_and_mends_it(server: PierRegistry, http: aiohttp.ClientSession) -> None:
    whole, broken = image(1000), image(2000, 3000, 4000)
    await push(http, "team/a", "whole", whole)
    await push(http, "team/a", "broken", broken)
    assert await command(server, "fsck", "--data") == (0, ["0 lost, 0 other findings, 0 mended"])
    async with beside(server.root) as other:
        places = {blob.digest: blob.location for blob in await other.records.live_blobs("", 100)}
    _, gone, short, others = (
        server.root / "blobs" / places[sha256(each)][:2] / places[sha256(each)] for each in broken.blobs
    )
    gone.unlink()
    os.truncate(short, 2000)
    others.write_bytes(bytes(4000))
    (server.root / "blobs" / "00" / ("0" * 32)).write_bytes(b"nobody's")
    status, said = await command(server, "fsck")
    assert (status, said[-1]) == (1, "2 lost, 1 other findings, 0 mended")
    status, said = await command(server, "fsck", "--data", "--fix")
    assert (status, said[-1]) == (1, "3 lost, 1 other findings, 4 mended")
    for digest, text in zip(
        map(sha256, broken.blobs[1:]), ("its bytes are gone", "its end is gone", "its bytes are others"), strict=True
    ):
        assert [line for line in said if digest in line and text in line and "needed by team/a:broken" in line]
    async with http.get(f"/v2/team/a/blobs/{sha256(broken.blobs[1])}") as answer:
        assert answer.status == 404
    with pytest.raises(Refused, match="MANIFEST_BLOB_UNKNOWN"):
        await put(http, "team/a", "2", image(also=broken.blobs[1:]))
    await push(http, "team/a", "broken", broken)
    await assert_whole(http, "team/a", "broken", broken)
    await assert_whole(http, "team/a", "whole", whole)
    assert await command(server, "fsck", "--data") == (0, ["0 lost, 0 other findings, 0 mended"])


async def test_counts_that_are_wrong(server: PierRegistry, http: aiohttp.ClientSession) -> None:
    made = image(1000)
    await push(http, "team/a", "1", made)
    import sqlite3

    raw = sqlite3.connect(server.root / "registry.db", isolation_level=None)
    raw.execute("UPDATE links SET refs = refs + 1")
    raw.execute("UPDATE blobs SET links = 7")
    raw.execute("UPDATE manifests SET tags = 0, parents = 3")
    raw.execute("UPDATE usage SET bytes = 1")
    raw.close()
    async with beside(server.root) as other:
        wrong = await findings(other, fix=True)
        assert {kind for kind, _ in wrong} == {"count"} and len(wrong) == 7
        assert ("count", "bytes of the project team: 1, should be 1100") in wrong
        assert await findings(other) == []
    await delete(http, "team/a", "1")
    await until_used(server.root, 0, 10)


async def test_housekeeping_by_hand(server: PierRegistry, http: aiohttp.ClientSession) -> None:
    await push(http, "team/a", "1", image(1000))
    assert await command(server, "gc", "--dry-run") == (0, [])
    assert await command(server, "gc") == (0, ["ended 0 uploads, freed 0 bytes"])
