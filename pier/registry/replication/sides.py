"""Where images come from and go to (contract): this registry (:mod:`here`) or another one (:mod:`there`).

All raise the kinds of :mod:`pier.errors`: Unavailable and DeadlineExceeded where trying again may help.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from pier.oci.digest import Digest
from pier.registry.model import Manifest, Reference

Pieces = Callable[[], AsyncIterator[bytes]]
"""A blob's bytes from the beginning, each time it is called."""


@dataclass(frozen=True, slots=True)
class Found:
    """A manifest, byte by byte. ``media_type`` is the sender's claim."""

    digest: Digest
    data: bytes
    media_type: str


class Side(Protocol):
    """``near``: asking costs nothing. Names are the side's own; one task's, and not for two."""

    near: bool

    async def repositories(self) -> list[str]:
        """All there are, for a rule that does not spell them out."""

    async def tags(self, name: str) -> list[str]:
        """Raises NotFound where there is no such repository."""

    async def digest(self, name: str, reference: str) -> Digest | None:
        """What a tag or digest names; None where there is none, or it is not told."""

    async def manifest(self, name: str, reference: str) -> Found:
        """Raises NotFound."""

    async def referrers(self, name: str, subject: Digest) -> list[Digest]:
        """Manifests that say that they belong to ``subject``."""

    async def companions(self, name: str, subject: Digest) -> list[str]:
        """Tags that do so by their names: ``sha256-….sig``."""

    async def has_blob(self, name: str, digest: Digest) -> bool:
        """Where something is brought: it stays until the manifest that needs it comes."""

    async def measured(self, name: str, blob: Reference) -> Reference:
        """With its true size, where that is known: manifests may say another."""

    def read(self, name: str, blob: Reference) -> AsyncIterator[bytes]:
        """A blob's bytes."""

    async def admit(self, name: str, tag: str) -> None:
        """Raises Refusal DENIED where it is plain that the tag will not be moved."""

    async def make_room(self, name: str, blobs: Sequence[Reference]) -> None:
        """Raises Refusal DENIED where it is plain that so much will not be taken."""

    async def mount(self, name: str, digest: Digest, homes: Sequence[str]) -> bool:
        """Have the blob of one of the repositories ``homes``; whether it is in ``name`` now."""

    async def write(self, name: str, blob: Reference, pieces: Pieces) -> None:
        """Bring a blob."""

    async def put(self, name: str, reference: str, manifest: Found) -> None:
        """Store a manifest, under its digest or a tag. What it refers to is there."""

    async def list_referrers(self, name: str, subject: Digest, referrers: Sequence[Manifest]) -> None:
        """Let clients find them, where the registry does not see to it by itself."""

    async def delete(self, name: str, tag: str) -> bool:
        """Remove the tag alone; whether it was there. Raises Conflict where only all tags of its manifest could go."""
