"""Layers that are hard links of each other take the disk's space once."""

import os

from pier.build.cache import CacheRecord
from pier.build.caching.bodies import Bodies
from pier.build.caching.gc import keep_below
from pier.build.caching.prune import Rules, prune, reclaimed
from pier.build.caching.usage import usage
from pier.linux.files import used_bytes
from pier.oci.digest import Digest
from pier.snapshots import diff
from pier.snapshots.snapshotter import Layer
from pier.snapshots.twin import twin
from pier.testing.images import layer_tar, pieces
from tests.unit.build.solver.workshop import Workshop

SIZE = 5000


async def layer(shop: Workshop, name: str) -> Layer:
    writer = shop.images.snapshots.begin_layer()
    applied = await diff.apply_layer(pieces(layer_tar(**{name: os.urandom(SIZE)})), writer)
    return writer.commit(None, applied.diff_id, applied.size, applied.skeleton)


def record(shop: Workshop, key: str, used: int, *diff_ids: Digest) -> None:
    made = CacheRecord(key=key, diff_ids=diff_ids, own=1, size=SIZE, used=used)
    shop.deps.cache.put(made)
    shop.deps.held.add(made)


async def linked(shop: Workshop) -> tuple[Layer, Layer, Layer]:
    """A base, a copy that lies on nothing, and the same on the base: COPY --link."""
    base, copy = await layer(shop, "base"), await layer(shop, "copy")
    merged = twin(shop.images.snapshots, copy, base.chain_id)
    record(shop, "base", 1, base.diff_id)
    record(shop, "copy", 2, copy.diff_id)
    record(shop, "merged", 3, base.diff_id, copy.diff_id)
    return base, copy, merged


async def test_they_are_counted_once(shop: Workshop) -> None:
    await linked(shop)
    assert {entry.record.key: entry.size for entry in usage(shop.deps)} == {"merged": SIZE, "copy": 0, "base": SIZE}
    folders = [layer.root for layer in shop.images.snapshots.layers().values()]
    assert len(folders) == 3 and used_bytes(folders[0].parent.parent) >= 2 * SIZE
    assert reclaimed(await prune(shop.deps, Rules())) == 2 * SIZE


async def test_pruning_one_frees_nothing(shop: Workshop) -> None:
    await linked(shop)
    removed = await prune(shop.deps, Rules(max_used=2 * SIZE - 1))
    assert [(entry.record.key, entry.size) for entry in removed] == [("base", 0), ("copy", 0), ("merged", 2 * SIZE)]


async def test_what_an_image_has_costs_the_cache_nothing(shop: Workshop) -> None:
    base, copy, merged = await linked(shop)
    shop.image(base.chain_id, merged.chain_id)
    found = {entry.record.key: (entry.size, entry.shared) for entry in usage(shop.deps)}
    assert found == {"merged": (SIZE, True), "copy": (0, False), "base": (SIZE, True)}
    bodies = Bodies(shop.images.snapshots.layers())
    assert bodies.of(copy.chain_id) == bodies.of(merged.chain_id) != bodies.of(base.chain_id)
    assert bodies.only({copy.chain_id}) == set()


async def test_the_ceiling_counts_them_once(shop_of_250: Workshop) -> None:
    shop = shop_of_250
    await linked(shop)
    assert await keep_below(shop.deps, measure=True) == 2 * SIZE
    assert shop.images.snapshots.layers() == {}


async def test_equal_layers_that_are_no_twins(shop: Workshop) -> None:
    tar = layer_tar(same=b"x" * SIZE)
    base = await layer(shop, "base")
    chains = []
    for parent in (None, base.chain_id):
        writer = shop.images.snapshots.begin_layer()
        applied = await diff.apply_layer(pieces(tar), writer)
        chains.append(writer.commit(parent, applied.diff_id, applied.size, applied.skeleton).chain_id)
    assert Bodies(shop.images.snapshots.layers()).size(chains) == 2 * SIZE
