"""The layers that the build cache keeps, by chain ID: what :attr:`pier.images.deps.Images.holders` asks."""

import asyncio
from collections import Counter
from collections.abc import Iterable

from pier.build.cache import CacheRecord
from pier.oci.digest import Digest
from pier.oci.image import chain_ids


def own_chains(record: CacheRecord) -> tuple[Digest, ...]:
    """The chain IDs of the layers that the record's step made, bottom first."""
    return tuple(chain_ids(record.diff_ids)[max(len(record.diff_ids) - record.own, 0) :])


class Held:
    """A picture of the records in memory, drawn up at start. For one event loop.

    Layers below those of a record are kept by lying below. ``evicting``: held by the one that removes what is kept.
    ``room``: bytes until the cache has to be measured again; None for at once.
    """

    def __init__(self) -> None:
        self._own: dict[str, tuple[Digest, ...]] = {}
        self._owners: Counter[Digest] = Counter()
        self._evicted: set[Digest] = set()
        self._loose: set[Digest] = set()
        self.evicting = asyncio.Lock()
        self.room: int | None = None

    def add(self, record: CacheRecord) -> None:
        """Keep the record's own layers, instead of those that it had."""
        own = own_chains(record)
        self._owners.update(own)
        self._evicted.difference_update(own)
        self.remove([record.key])
        self._own[record.key] = own
        if self.room is not None:
            self.room -= record.size

    def remove(self, keys: Iterable[str]) -> None:
        """The records are no more. Layers that lost their last one are loose."""
        for key in keys:
            for chain in self._own.pop(key, ()):
                self._owners[chain] -= 1
                if not self._owners[chain]:
                    del self._owners[chain]
                    self._evicted.discard(chain)
                    self._loose.add(chain)

    def own(self, record: CacheRecord) -> tuple[Digest, ...]:
        """As :func:`own_chains`, remembered."""
        return self._own.get(record.key, ())

    def evict(self, chain: Digest) -> None:
        """Keep it no more, though records have it."""
        self._evicted.add(chain)

    def keep(self, chain: Digest) -> None:
        """Take back ``evict``."""
        self._evicted.discard(chain)

    def take_loose(self) -> list[Digest]:
        """The layers that lost their last record since this was asked, for whoever releases them."""
        loose = [chain for chain in self._loose if chain not in self._owners]
        self._loose.clear()
        return loose

    def __contains__(self, chain_id: Digest) -> bool:
        return chain_id in self._owners and chain_id not in self._evicted
