"""What was pulled through goes by when it was pulled last, also by those who had its layers already."""

import asyncio
import os
import time
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from pier.metadata.registry.opening import open_records
from pier.oci import mediatypes
from pier.oci.digest import Digest
from pier.registry.deps import Registry
from pier.registry.housekeeping.collect import collect
from pier.registry.settings import Settings
from pier.registry.storages.opening import open_storage
from pier.registry.upstream.leaving import leave
from pier.testing.faulty_registry import FaultyRegistry
from tests.system.registry.images import assert_whole, image, push
from tests.system.registry.test_registry_upstream import MIB, blob, manifest, through, upstream

__all__ = ["upstream"]

ROOM = 5 * MIB // 2


def large(upstream: FaultyRegistry, tag: str) -> tuple[Digest, Digest]:
    """The manifest ``app:tag`` there, and its layer of a MiB."""
    before = set(upstream.blobs)
    digest = upstream.add_image("app", tag, [os.urandom(MIB)], level=0)
    return digest, Digest(max(set(upstream.blobs) - before, key=lambda each: len(upstream.blobs[each])))


def indexed(upstream: FaultyRegistry, tag: str, child: Digest) -> None:
    absent = {"mediaType": mediatypes.DOCKER_MANIFEST, "digest": f"sha256:{'0' * 64}", "size": 9}
    described = {"mediaType": mediatypes.DOCKER_MANIFEST, "digest": child, "size": 9}
    document: dict[str, Any] = {"schemaVersion": 2, "mediaType": mediatypes.OCI_INDEX}
    upstream.add_manifest("app", tag, {**document, "manifests": [absent, described]})


async def pulled(http: aiohttp.ClientSession, tag: str, child: Digest, layer: Digest) -> None:
    await manifest(http, tag)
    await manifest(http, child)
    await blob(http, layer)
    await asyncio.sleep(1.1)  # a clock of whole seconds tells who was used last


@pytest.mark.parametrize("restarted", [False, True])
async def test_layers_are_used_with_their_image(upstream: FaultyRegistry, tmp_path: Path, restarted: bool) -> None:
    images = [large(upstream, tag) for tag in ("x", "y", "z")]
    for tag, (child, _) in zip(("0", "1", "2"), images, strict=True):
        indexed(upstream, tag, child)
    if restarted:
        async with through(tmp_path, upstream.host) as (_, http):
            for number in (0, 1):
                await pulled(http, str(number), *images[number])
    async with through(tmp_path, upstream.host, upstream_size=ROOM) as (registry, http):
        if not restarted:
            for number in (0, 1):
                await pulled(http, str(number), *images[number])
        await manifest(http, "0")  # somebody who has the rest
        await asyncio.sleep(1.1)
        await pulled(http, "2", *images[2])
        records = await open_records(f"sqlite://{registry.root}/registry.db")
        while sum((await records.cached_sizes()).values()) > ROOM:  # noqa: ASYNC110
            await asyncio.sleep(0.2)
    storage = await open_storage(f"file://{registry.root}/blobs")
    await collect(Registry(records, storage, Settings(), clock=lambda: time.time() + 400))
    assert [bool(await records.blob("up/app", layer)) for _, layer in images] == [True, False, True]
    await storage.stop()
    await records.stop()


async def test_without_an_upstream_all_goes(upstream: FaultyRegistry, tmp_path: Path) -> None:
    """But what was pushed."""
    child, layer = large(upstream, "x")
    mine = image(5000)
    async with through(tmp_path, upstream.host) as (registry, http):
        await pulled(http, "x", child, layer)
        await push(http, "team/app", "1", mine)
    records = await open_records(f"sqlite://{registry.root}/registry.db")
    storage = await open_storage(f"file://{registry.root}/blobs")
    await leave(Registry(records, storage, Settings()))
    assert not await records.cached_sizes()
    assert await collect(Registry(records, storage, Settings(), clock=lambda: time.time() + 400)) > MIB
    await storage.stop()
    await records.stop()
    async with through(tmp_path, upstream.host) as (_, http):
        await assert_whole(http, "team/app", "1", mine)
        assert await blob(http, layer) == upstream.blobs[layer]
