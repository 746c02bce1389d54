"""Keeping the cache below its ceiling: what was not used for longest goes first.

Layers go, and folders; the small records of steps stay, so that the keys of what follows are still known. A layer goes
only after those that lie on it. What running builds have pinned, and what images and containers need, stays.
"""

import asyncio
import heapq
from collections import Counter

from pier.build.cache import CacheRecord
from pier.build.caching.drop import drop_folders, release_loose
from pier.build.caching.usage import Layers, layers_of
from pier.build.deps import Deps
from pier.images.release import release_layers
from pier.oci.digest import Digest


async def keep_below(deps: Deps, *, measure: bool = False) -> int:
    """Evict until the cache's own bytes are below ``settings.cache_max``, or nothing can go. Returns bytes freed.

    ``measure``: do not trust that what was recorded since the last time fits.
    """
    ceiling, held = deps.settings.cache_max, deps.held
    if not ceiling or (not measure and _fits(deps) and not held.evicting.locked()):
        return 0
    async with held.evicting:
        if not measure and _fits(deps):
            return 0
        held.room = 0
        await release_loose(deps)
        eviction = await asyncio.to_thread(_Eviction, deps)
        freed = await eviction.run(ceiling)
        held.room += ceiling - eviction.total  # less what was recorded meanwhile, perhaps counted twice
        return freed


def _fits(deps: Deps) -> bool:
    return deps.held.room is not None and deps.held.room >= 0


class _Eviction:
    """``total``: bytes that the cache alone has on disk."""

    def __init__(self, deps: Deps) -> None:
        records = list(deps.cache.list())
        self._deps = deps
        self._layers: Layers = layers_of(deps, records)
        self._children = Counter(layer.parent for layer in deps.snapshots.layers().values())
        self._folders = {record.key: record for record in records if record.path}
        self._queue: list[tuple[int, str]] = []
        self.total = sum(record.size for record in self._folders.values()) + self._layers.size

    async def run(self, ceiling: int) -> int:
        before = self.total
        if before <= ceiling:
            return 0
        for chain in self._layers.alone:
            self._offer(chain)
        for record in self._folders.values():
            heapq.heappush(self._queue, (record.used, record.key))
        while self.total > ceiling and self._queue:
            _, name = heapq.heappop(self._queue)
            if name in self._folders:
                await self._evict_folder(self._folders[name])
            else:
                await self._evict_layer(Digest(name))
        return before - self.total

    def _offer(self, chain: Digest) -> None:
        """Queue a layer on which none lies."""
        layers = self._layers
        if chain in layers.alone and not self._children[chain]:
            heapq.heappush(self._queue, (layers.used.get(chain, 0), chain))

    async def _evict_folder(self, record: CacheRecord) -> None:
        gone = await drop_folders(self._deps, [record])
        self.total -= sum(record.size for record in gone)

    async def _evict_layer(self, chain: Digest) -> None:
        images, held = self._deps.images, self._deps.held
        if chain in images.pins:
            return
        held.evict(chain)
        removed = await release_layers(images, chain)
        if not removed:
            held.keep(chain)
            return
        for layer in removed:
            self.total -= self._layers.bodies.removed(layer)
            if layer.parent is not None:
                self._children[layer.parent] -= 1
        if removed[-1].parent is not None:
            self._offer(removed[-1].parent)
