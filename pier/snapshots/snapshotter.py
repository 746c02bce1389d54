"""The snapshotter (contract): immutable layers, and writable snapshots on top of them.

A *layer* is one diff of an image, committed under its chain ID (the digest of itself and of all that is
below it). Diffs do not depend on their parents, so layers are unpacked in any order, and committed parents
first::

    writer = snapshots.begin_layer()
    applied = await diff.apply_layer(source, writer)
    layer = writer.commit(parent_chain, applied.diff_id, applied.size, applied.skeleton)

A *rw snapshot* belongs to one container: ``create_rw``, mount what ``rw_mounts`` returns, unmount,
``remove_rw``. The snapshotter mounts nothing itself. Between layer and rw snapshot lies an *init layer* with
the mount points that every container needs, so that neither diff nor commit shows them.

All calls are synchronous and thread-safe. Creations and removals are journalled: after a crash ``recover``
finishes or undoes them. Removal is a rename on the caller's path; the deleting happens behind it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Protocol

from pier.linux.mount import Mount
from pier.oci.digest import Digest


@dataclass(frozen=True, slots=True)
class Layer:
    """A committed layer. ``size``: bytes of its files. ``tar_size``: bytes of the tar that ``diff_id`` names."""

    chain_id: Digest
    diff_id: Digest
    parent: Digest | None
    cache_id: str
    size: int
    tar_size: int
    root: Path
    skeleton: Path | None


class ChangeKind(IntEnum):
    """As the Engine API numbers them."""

    MODIFIED = 0
    ADDED = 1
    DELETED = 2


@dataclass(frozen=True, slots=True)
class Change:
    """One path, absolute inside the container, that differs from the image."""

    kind: ChangeKind
    path: str


@dataclass(frozen=True, slots=True)
class Skeleton:
    """What, together with a layer's files, makes its exact tar again (see ``pier.snapshots.diff``)."""

    path: Path
    tar_size: int


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that fsck found: ``kind`` (``orphan``, ``missing``, ``broken``), the path, one sentence."""

    kind: str
    path: str
    detail: str


class LayerWriter(Protocol):
    """A layer in the making: a fresh folder, journalled, gone after ``abort`` or a crash."""

    @property
    def root(self) -> Path:
        """Unpack here, with whiteouts in the snapshotter's own form."""

    @property
    def side(self) -> Path:
        """A folder beside ``root``, on the same file system, for the skeleton and replaced files."""

    def adopt(self, upper: Path) -> None:
        """Let ``upper``, an overlay's upper folder on the same file system, mounted no more, be ``root``: a rename."""

    def mount_on(self, parent: Digest | None, target: Path) -> list[Mount]:
        """What to mount at ``target`` to see the layer ``parent`` with all below it, and write into ``root``.

        It must be mounted no more when the writer ends. Raises NotFound where ``parent`` is not there.
        """

    def commit(self, parent: Digest | None, diff_id: Digest, size: int, skeleton: Skeleton | None = None) -> Layer:
        """Make it a layer. Where the chain is there already, that layer is returned and this one dropped.

        Raises NotFound where ``parent`` is not there.
        """

    def abort(self) -> None:
        """Drop it. Idempotent; after ``commit`` without effect."""


class Snapshotter(Protocol):
    """See the module's text."""

    def layer(self, chain_id: Digest) -> Layer:
        """Raises NotFound."""

    def layers(self) -> Mapping[Digest, Layer]:
        """All committed layers by chain ID: a copy."""

    def with_diff(self, diff_id: Digest) -> Layer | None:
        """Any layer with that diff, whatever is below it."""

    def begin_layer(self) -> LayerWriter: ...

    def remove_layer(self, chain_id: Digest) -> None:
        """Raises Conflict while a layer or a rw snapshot has it as parent, NotFound when it is not there."""

    def create_rw(self, container_id: str, parent: Digest | None) -> None:
        """Raises Conflict where the container has one, NotFound where ``parent`` is not there."""

    def rw_parent(self, container_id: str) -> Digest | None:
        """What ``create_rw`` was given. Raises NotFound."""

    def rw_snapshots(self) -> dict[str, Digest | None]:
        """Parents by container."""

    def rw_mounts(self, container_id: str) -> list[Mount]:
        """What to mount for the container's root file system; targets are at ``merged``."""

    def merged(self, container_id: str) -> Path:
        """Where the root file system is to be mounted."""

    def upper(self, container_id: str) -> Path:
        """The folder of the container's own files, for ``diff.write_diff``. Raises NotFound."""

    def rw_usage(self, container_id: str) -> int:
        """Bytes of the container's own files."""

    def rw_changes(self, container_id: str) -> list[Change]:
        """What the container changed, sorted by path."""

    def rw_graph(self, container_id: str) -> dict[str, str]:
        """The folders as ``docker inspect`` shows them under GraphDriver.Data."""

    def layer_graph(self, chain_id: Digest) -> dict[str, str]:
        """The folders as ``docker image inspect`` shows them under GraphDriver.Data."""

    def remove_rw(self, container_id: str) -> None:
        """Remove it, unmounting what is still mounted; one that is not there is no error."""

    def view(self, chain_id: Digest, target: Path) -> Mount:
        """A read-only mount of a layer with all below it."""

    def recover(self) -> None:
        """Finish or undo what a crash left half-done. Work under way is not touched."""

    def verify(self) -> list[Finding]:
        """Compare folders with records; empty when all is well. Work under way is not reported."""

    def repair(self) -> None:
        """``recover``, and remove what ``verify`` finds to be nobody's."""

    def close(self) -> None:
        """Wait for removals under way."""
