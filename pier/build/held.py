"""The layers that the build cache keeps, by chain ID: what :attr:`pier.images.deps.Images.holders` asks."""

import asyncio
from collections.abc import Iterable

from pier.build.cache import CacheRecord
from pier.oci.digest import Digest
from pier.oci.image import chain_ids


def own_chains(record: CacheRecord) -> list[Digest]:
    """The chain IDs of the layers that the record's step made, bottom first."""
    return chain_ids(record.diff_ids)[max(len(record.diff_ids) - record.own, 0) :]


class Held:
    """A set in memory, drawn up from the records at start. For one event loop.

    ``evicting``: held by the one that removes what is kept.
    """

    def __init__(self) -> None:
        self._chains: set[Digest] = set()
        self.evicting = asyncio.Lock()

    def add(self, record: CacheRecord) -> None:
        """Keep the record's own layers; those below them are kept by lying below."""
        self._chains.update(own_chains(record))

    def keep(self, chain: Digest) -> None:
        """Keep one layer."""
        self._chains.add(chain)

    def drop(self, chains: Iterable[Digest]) -> None:
        """Keep them no more: evicted, or their records are gone."""
        self._chains.difference_update(chains)

    def clear(self) -> None:
        self._chains.clear()

    def __contains__(self, chain_id: Digest) -> bool:
        return chain_id in self._chains
