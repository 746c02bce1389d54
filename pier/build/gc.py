"""Keeping the cache below its ceiling: what was not used for longest goes first.

Layers go, and folders; the small records of steps stay, so that the keys of what follows are still known. A layer goes
only after those that lie on it. What running builds have pinned, and what images and containers need, stays.
"""

import asyncio
import heapq
from collections import Counter

from pier.build.cache import CacheRecord
from pier.build.deps import Deps
from pier.build.drop import drop_folders
from pier.build.usage import Layers, layers_of
from pier.images.release import release_layers
from pier.oci.digest import Digest


async def keep_below(deps: Deps) -> int:
    """Evict until the cache's own bytes are below ``settings.cache_max``, or nothing can go. Returns bytes freed."""
    if not deps.settings.cache_max:
        return 0
    async with deps.held.evicting:
        return await _Eviction(deps).run(deps.settings.cache_max)


class _Eviction:
    def __init__(self, deps: Deps) -> None:
        records = list(deps.cache.list())
        self._deps = deps
        self._layers: Layers = layers_of(deps, records)
        self._children = Counter(layer.parent for layer in deps.snapshots.layers().values())
        self._folders = {record.key: record for record in records if record.path}
        self._queue: list[tuple[int, str]] = []
        self._total = sum(record.size for record in self._folders.values()) + sum(
            layer.size for chain, layer in self._layers.all.items() if chain not in self._layers.shared
        )

    async def run(self, ceiling: int) -> int:
        if self._total <= ceiling:
            return 0
        before = self._total
        for chain in self._layers.all:
            self._offer(chain)
        for record in self._folders.values():
            heapq.heappush(self._queue, (record.used, record.key))
        while self._total > ceiling and self._queue:
            _, name = heapq.heappop(self._queue)
            if name in self._folders:
                await self._evict_folder(self._folders[name])
            else:
                await self._evict_layer(Digest(name))
        return before - self._total

    def _offer(self, chain: Digest) -> None:
        """Queue a layer on which none lies."""
        layers = self._layers
        if chain in layers.all and chain not in layers.shared and not self._children[chain]:
            heapq.heappush(self._queue, (layers.used.get(chain, 0), chain))

    async def _evict_folder(self, record: CacheRecord) -> None:
        gone = await drop_folders(self._deps, [record])
        self._total -= sum(record.size for record in gone)

    async def _evict_layer(self, chain: Digest) -> None:
        images, held = self._deps.images, self._deps.held
        if chain in images.pins:
            return
        held.drop([chain])
        removed = await release_layers(images, chain)
        if not removed:
            held.keep(chain)
            return
        for layer in removed:
            self._total -= layer.size
            if layer.parent is not None:
                self._children[layer.parent] -= 1
        if removed[-1].parent is not None:
            self._offer(removed[-1].parent)
        await asyncio.sleep(0)
