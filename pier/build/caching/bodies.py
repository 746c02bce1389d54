"""Layers that are one on disk: a layer and its twins, on other layers, are hard links of each other."""

import os
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping

from pier.oci.digest import Digest
from pier.snapshots.snapshotter import Layer


class Bodies:
    """Which of ``layers`` share their files, and how many of each are left."""

    def __init__(self, layers: Mapping[Digest, Layer]) -> None:
        self._layers = layers
        self._body: dict[Digest, Digest] = {}
        same: dict[Digest, list[Layer]] = defaultdict(list)
        for layer in layers.values():
            same[layer.diff_id].append(layer)
        for group in same.values():
            if len(group) > 1:
                self._compare(group)
        self._left = Counter(self.of(chain) for chain in layers)

    def _compare(self, group: list[Layer]) -> None:
        """A twin's skeleton is a hard link, too."""
        first: dict[tuple[int, int], Digest] = {}
        for layer in group:
            try:
                status = os.stat(layer.skeleton) if layer.skeleton is not None else None
            except FileNotFoundError:
                continue
            if status is not None:
                self._body[layer.chain_id] = first.setdefault((status.st_dev, status.st_ino), layer.chain_id)

    def of(self, chain: Digest) -> Digest:
        """The layer that stands for ``chain`` and its twins."""
        return self._body.get(chain, chain)

    def size(self, chains: Collection[Digest]) -> int:
        """Bytes of these layers on disk."""
        return sum(self._layers[body].size for body in {self.of(chain) for chain in chains})

    def only(self, chains: Collection[Digest]) -> set[Digest]:
        """Those among ``chains`` that have no twin elsewhere."""
        among = Counter(self.of(chain) for chain in chains)
        return {chain for chain in chains if among[self.of(chain)] == self._left[self.of(chain)]}

    def removed(self, layer: Layer) -> int:
        """Take note that it is no more; the bytes that this freed."""
        body = self.of(layer.chain_id)
        self._left[body] -= 1
        return layer.size if self._left[body] <= 0 else 0
