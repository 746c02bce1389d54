"""Pulling through where there is no file to read along (S3), where two instances share what is kept, and no room."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from pier.linux import process
from pier.oci.digest import Digest
from pier.testing.faulty_registry import FaultyRegistry, cut, faulty_registry
from pier.testing.postgres import Server, postgres
from pier.testing.registryserver import pier_registry
from pier.testing.swift import swift
from tests.system.registry.test_registry_full_disk import fill
from tests.system.registry.test_registry_upstream import MIB, blob, blob_of, manifest, through, upstream

__all__ = ["upstream"]


@pytest.fixture
def database() -> Iterator[Server]:
    with postgres() as server:
        yield server


async def test_two_instances(database: Server, tmp_path: Path) -> None:
    """Readers of one that is coming get it from a spool; the other instance serves what this one has brought."""
    async with faulty_registry() as far, swift(tmp_path) as s3:
        digest = blob_of(far, 24 * MIB)
        whole = far.blobs[digest]
        far.misbehave("GET .*/blobs/", cut(after=5 * MIB), times=3)
        up = {"name": "up", "url": f"http://{far.host}"}
        shared = {"database": database.url, "storage": s3.url("blobs"), "upstream": [up]}
        async with (
            asyncio.timeout(150),
            pier_registry(tmp_path / "one", **shared) as one,
            pier_registry(tmp_path / "two", **shared) as two,
            aiohttp.ClientSession(f"http://{one.host}") as here,
            aiohttp.ClientSession(f"http://{two.host}") as there,
        ):
            await manifest(here)
            came = await asyncio.gather(*(blob(here, digest, start) for start in (0, 0, 20 * MIB)))
            assert came == [whole, whole, whole[20 * MIB :]]
            assert far.served <= 1.05 * len(whole)
            assert await blob(there, digest) == whole
            assert far.served <= 1.05 * len(whole)
            far.misbehave(".*", cut(after=0))
            assert (await manifest(there))[0] == 200


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A folder whose registry has a file system of 64 MiB to itself."""
    root = tmp_path / "pier-registry"
    root.mkdir()
    mounted = process.run_sync(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(root)])
    assert mounted.returncode == 0, mounted.stderr
    yield tmp_path
    process.run_sync(["umount", "-l", str(root)])


async def test_what_there_is_no_room_for_is_passed_on(upstream: FaultyRegistry, small: Path) -> None:
    digest = blob_of(upstream, 80 * MIB)
    other = sorted(upstream.blobs)
    async with through(small, upstream.host) as (registry, http):
        assert (await manifest(http))[0] == 200
        assert await blob(http, digest) == upstream.blobs[digest]
        fill(registry.root / "rest")
        assert await blob(http, digest) == upstream.blobs[digest]
        assert (await manifest(http))[0] == 200
        (registry.root / "rest").unlink()
        upstream.add_image("app", "2", [b"small"])
        assert (await manifest(http, "2"))[0] == 200
        for each in set(upstream.blobs) - set(other):
            assert await blob(http, Digest(each)) == upstream.blobs[each]


async def test_a_full_disk_refuses_nothing_that_is_kept(upstream: FaultyRegistry, small: Path) -> None:
    """Nor what a mirror is asked for by its names there."""
    digest = blob_of(upstream, MIB)
    upstream.add_image("other", "1", [b"other"])
    async with through(small, upstream.host, up={"ttl": 0, "default": True}) as (registry, http):
        first = await manifest(http)
        await blob(http, digest)
        fill(registry.root / "rest")
        for _ in range(3):
            assert await manifest(http) == first
            assert await blob(http, digest) == upstream.blobs[digest]
        assert (await manifest(http, name="other"))[0] == 200
        for each in upstream.blobs:
            assert await blob(http, Digest(each), name="other") == upstream.blobs[each]
        del upstream.manifests["app", "1"]
        assert (await manifest(http))[0] == 404
        assert "Traceback" not in registry.log.read_text()
