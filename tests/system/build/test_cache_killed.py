"""Killed while it solves, evicts or prunes: the next start finds a sound cache, and nothing that is nobody's."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from pier.build import lifecycle
from pier.build.cache import CacheRecord
from pier.build.caching.gc import keep_below
from pier.build.caching.prune import Rules, prune
from pier.build.caching.usage import usage
from pier.images.release import collect
from pier.log import set_tracer
from pier.metadata.build import SqliteCacheStore
from pier.metadata.db import Database
from tests.unit.build.solver.workshop import Workshop, line

STEPS = ("write a", "write b", "write c")
Work = Callable[[Workshop], Awaitable[object]]


async def opened(root: Path, **settings: int) -> Workshop:
    """What a daemon has after its start over ``root``."""
    os.makedirs(root, exist_ok=True)
    shop = Workshop(root, SqliteCacheStore(Database(root / "pier.db")), **settings)
    shop.images.snapshots.recover()
    await lifecycle.start(shop.deps)
    await collect(shop.images)
    return shop


def killed(root: Path, work: Work, point: str, times: int, **settings: int) -> bool:
    """Do ``work`` in a child that kills itself when it comes to ``point`` for the ``times``-th time."""
    child = os.fork()
    if child == 0:
        left = times

        def count(name: str) -> None:
            nonlocal left
            left -= name == point
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

        async def run() -> None:
            shop = await opened(root, **settings)
            set_tracer(count)
            await work(shop)

        try:
            asyncio.run(run())
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL


async def solve(shop: Workshop) -> None:
    await shop.solve(line(*STEPS))


async def fill_and_prune(shop: Workshop) -> None:
    await solve(shop)
    folder(shop)
    await prune(shop.deps, Rules(all=True))


async def fill_and_evict(shop: Workshop) -> None:
    await shop.solve(line(*(f"write {name * 100}" for name in "abc")))
    folder(shop)
    await keep_below(shop.deps, measure=True)


def folder(shop: Workshop) -> None:
    path = shop.deps.root / "mounts" / "npm"
    path.mkdir(parents=True)
    (path / "file").write_bytes(bytes(100))
    shop.deps.cache.put(CacheRecord(key="npm", kind="exec.cachemount", path="mounts/npm", size=100, used=1))


async def is_sound(root: Path) -> None:
    shop = await opened(root)
    snapshots = shop.images.snapshots
    assert (snapshots.verify(), shop.images.journal.pending()) == ([], [])
    named = {chain for record in shop.deps.cache.list() for chain in shop.deps.held.own(record)}
    assert set(snapshots.layers()) <= named
    for record in shop.deps.cache.list():
        assert not record.path or (shop.deps.root / record.path).is_dir()
    assert list((shop.deps.root / "trash").iterdir()) == []
    await shop.solve(line(*STEPS))
    await prune(shop.deps, Rules(all=True))
    assert (snapshots.layers(), list(shop.deps.cache.list()), usage(shop.deps)) == ({}, [], [])
    snapshots.close()


@pytest.mark.parametrize(
    "point", ["layer:begun", "layer:unpacked", "layer:recorded", "build:executed", "build:recorded"]
)
@pytest.mark.parametrize("times", [1, 3])
async def test_killed_while_it_solves(tmp_path: Path, point: str, times: int) -> None:
    root = tmp_path / "root"
    assert killed(root, solve, point, times)
    await is_sound(root)


@pytest.mark.parametrize("point", ["layer:removing", "layer:unrecorded", "build:moved", "build:forgotten"])
async def test_killed_while_it_prunes(tmp_path: Path, point: str) -> None:
    root = tmp_path / "root"
    assert killed(root, fill_and_prune, point, 1)
    await is_sound(root)


@pytest.mark.parametrize("point", ["layer:removing", "layer:unrecorded", "build:moved"])
async def test_killed_while_it_evicts(tmp_path: Path, point: str) -> None:
    root = tmp_path / "root"
    assert killed(root, fill_and_evict, point, 1, cache_max=150)
    await is_sound(root)


async def test_what_was_recorded_before_the_kill_is_not_run_again(tmp_path: Path) -> None:
    root = tmp_path / "root"
    assert killed(root, solve, "build:recorded", 2)
    shop = await opened(root)
    await solve(shop)
    assert shop.ran == {"write c": 1}
    shop.images.snapshots.close()


class TestStart:
    async def test_what_the_cache_keeps_is_not_collected(self, tmp_path: Path) -> None:
        shop = await opened(tmp_path / "root")
        await solve(shop)
        again = await opened(tmp_path / "root")
        assert len(again.images.snapshots.layers()) == 3
        await solve(again)
        assert again.ran == {}
        again.images.snapshots.close()

    async def test_records_of_folders_that_are_gone_go(self, tmp_path: Path) -> None:
        shop = await opened(tmp_path / "root")
        shop.deps.cache.put(CacheRecord(key="npm", kind="exec.cachemount", path="mounts/npm"))
        again = await opened(tmp_path / "root")
        assert list(again.deps.cache.list()) == []

    async def test_records_without_layers_stay_while_they_are_young(self, tmp_path: Path) -> None:
        shop = await opened(tmp_path / "root")
        await solve(shop)
        (old, *_) = shop.deps.cache.list()
        shop.deps.cache.touch([old.key], 1)
        layers = shop.images.snapshots.layers()
        for chain in sorted(layers, key=lambda chain: sum(layer.parent == chain for layer in layers.values())):
            shop.deps.held.evict(chain)
        await collect(shop.images)
        again = await opened(tmp_path / "root")
        assert again.images.snapshots.layers() == {}
        assert {record.description for record in again.deps.cache.list()} == {*STEPS} - {old.description}

    async def test_what_was_being_deleted_is_deleted(self, tmp_path: Path) -> None:
        shop = await opened(tmp_path / "root")
        left = shop.deps.root / "trash" / "x" / "y"
        left.mkdir(parents=True)
        await opened(tmp_path / "root")
        assert not left.exists()

    async def test_folders_without_a_record_go(self, tmp_path: Path) -> None:
        shop = await opened(tmp_path / "root")
        folder(shop)
        strays = [shop.deps.root / "mounts" / "x" / "y", shop.deps.root / "contexts" / "z"]
        for stray in strays:
            stray.mkdir(parents=True)
        await opened(tmp_path / "root")
        assert [stray.exists() for stray in strays] == [False, False]
        assert (shop.deps.root / "mounts" / "npm" / "file").exists()
