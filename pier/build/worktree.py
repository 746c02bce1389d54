"""A root file system that a step works on: its base, with a writable folder on top that becomes the step's layer."""

import secrets
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

from pier.build.deps import Deps
from pier.build.graph import Rootfs
from pier.build.threads import in_thread
from pier.linux.mount import mount, unmount_below
from pier.linux.trees import remove_tree
from pier.oci.image import chain_id
from pier.snapshots.seal import seal
from pier.snapshots.snapshotter import LayerWriter

STEPS: Final = "steps"
"""Below ``deps.run``: a folder for each step under way. What is mounted in it goes with it."""


class Worktree:
    """``root``: the merged view, mounted on the host and writable. ``upper``: what is changed, as the overlay keeps it.

    ``folder``: the step's own, on the run file system; gone in the end. ``id`` names the step.
    """

    def __init__(self, deps: Deps, base: Rootfs, pins: ExitStack) -> None:
        self._deps = deps
        self._base = base
        self._pins = pins
        self._writer: LayerWriter | None = None
        self.id = f"build-{secrets.token_hex(12)}"
        self.folder = deps.run / STEPS / self.id
        self.root = self.folder / "root"

    @property
    def writer(self) -> LayerWriter:
        assert self._writer is not None, "the tree is not open"
        return self._writer

    @property
    def upper(self) -> Path:
        return self.writer.root

    async def commit(self) -> Rootfs:
        """Unmount, and make what was changed (perhaps nothing) a layer. Pin the result before awaiting anything.

        Nobody may write any more. Raises NoSpace.
        """
        await self.unmount()
        sealed = await seal(self.writer)
        parent = self._base.chain
        self._pins.enter_context(self._deps.images.pins.hold([chain_id(parent, sealed.diff_id)]))
        layer = await in_thread(self.writer.commit, parent, sealed.diff_id, sealed.size, sealed.skeleton)
        return Rootfs((*self._base.diff_ids, layer.diff_id))

    async def unmount(self) -> None:
        """The first thing that ``commit`` does; idempotent. Then only ``upper`` can be looked at."""
        await in_thread(self._unmount)

    def _unmount(self) -> None:
        unmount_below(self.folder)
        remove_tree(self.writer.side / "work")

    def open(self) -> None:
        """Mount it. Blocks."""
        self._writer = self._deps.snapshots.begin_layer()
        self.root.mkdir(mode=0o700, parents=True)
        for each in self._writer.mount_on(self._base.chain, self.root):
            mount(each)

    def close(self) -> None:
        """Remove everything that was not committed. Blocks; idempotent."""
        unmount_below(self.folder)
        if self._writer is not None:
            self._writer.abort()
        remove_tree(self.folder)


@asynccontextmanager
async def worktree(deps: Deps, base: Rootfs) -> AsyncIterator[Worktree]:
    """``base``, whose layers are there and pinned, with room for one more layer.

    Leaving the block without ``commit`` removes what was changed. Raises NoSpace.
    """
    with ExitStack() as pins:
        tree = Worktree(deps, base, pins)
        try:
            await in_thread(tree.open)
            yield tree
        finally:
            await in_thread(tree.close)
