"""Layers that a build relies on, pinned until its end."""

from pier.build.deps import Build
from pier.build.graph import Rootfs
from pier.errors import NotFound
from pier.oci.digest import Digest
from pier.oci.image import chain_ids


class Pinning:
    """Pins each layer once."""

    def __init__(self, build: Build) -> None:
        self._build = build
        self._pinned: set[Digest] = set()

    def pin(self, rootfs: Rootfs) -> bool:
        """Have its layers stay, whether they are there or not; returns whether they are."""
        pins = self._build.deps.images.pins
        fresh = [chain_id for chain_id in chain_ids(rootfs.diff_ids) if chain_id not in self._pinned]
        if fresh:
            self._pinned.update(fresh)
            self._build.lasting.enter_context(pins.hold(fresh))
        return self.there(rootfs)

    def there(self, rootfs: Rootfs) -> bool:
        """A layer is never without those below it."""
        if rootfs.chain is None:
            return True
        try:
            self._build.deps.snapshots.layer(rootfs.chain)
        except NotFound:
            return False
        return True
