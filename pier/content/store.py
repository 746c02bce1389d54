"""The content store (contract): blobs, each named by the digest of its bytes.

A blob appears whole or not at all. Bytes are written to an *ingest* first, which is hashed while it
is written and becomes a blob at ``commit``. An ingest has a key (for a download: its digest), and what
was written under a key survives a crash, so that a download goes on where it stopped::

    with store.open_ingest(digest, resume=True) as ingest:
        for data in fetch(digest, offset=ingest.offset):
            ingest.write(data)
        ingest.commit(digest)

Leaving the block without ``commit`` or ``abort`` closes the ingest and keeps its bytes for a resume.
All calls are synchronous; those that move bytes belong in a thread.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Protocol

from pier.oci.digest import Digest

ONCE: Final = "once-"
"""Ingests whose keys begin so are not there for a resume: the next start drops them."""


@dataclass(frozen=True, slots=True)
class BlobInfo:
    """``size`` in bytes; ``created_ns`` is when it was committed, since the epoch."""

    digest: Digest
    size: int
    created_ns: int


class Ingest(Protocol):
    """One writer's half-made blob. Not thread-safe."""

    @property
    def offset(self) -> int:
        """Bytes that are there."""

    def fileno(self) -> int:
        """The open file, positioned at ``offset``: a helper process may write through it; see ``adopt``."""

    def write(self, data: bytes) -> None:
        """Append. Raises NoSpace."""

    def commit(self, expected: Digest | None = None) -> Digest:
        """Make it a blob; idempotent when that blob is there. Raises DataCorrupted, naming both digests,
        and drops the bytes when they are not ``expected``."""

    def adopt(self, digest: Digest, size: int) -> None:
        """Make it a blob whose bytes, written through ``fileno()``, a trusted helper hashed to ``digest``."""

    def abort(self) -> None:
        """Drop the bytes."""

    def close(self) -> None:
        """Keep the bytes for a resume. Idempotent, and after ``commit`` or ``abort`` without effect."""

    def __enter__(self) -> "Ingest": ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class ContentStore(Protocol):
    """Thread-safe, except that a key has one open ingest at a time."""

    def open_ingest(self, key: str, *, resume: bool = False) -> Ingest:
        """Begin, or with ``resume`` go on with, the ingest ``key``. Raises Conflict while it is open elsewhere."""

    def drop_ingests(self, older_than_ns: int) -> None:
        """Delete half-made blobs that nobody has open or has written to since ``older_than_ns`` (epoch)."""

    def put(self, data: bytes) -> Digest:
        """Store a small blob (a config, a manifest)."""

    def read(self, digest: Digest) -> bytes:
        """All bytes of a small blob, checked against ``digest``. Raises NotFound, DataCorrupted."""

    def open(self, digest: Digest) -> BinaryIO:
        """The blob for reading. Raises NotFound."""

    def path(self, digest: Digest) -> Path:
        """Where the blob lies or would lie."""

    def info(self, digest: Digest) -> BlobInfo:
        """Raises NotFound."""

    def exists(self, digest: Digest) -> bool: ...

    def delete(self, digest: Digest) -> None:
        """Remove the blob, quickly; one that is not there is no error."""

    def set_index(self, data: bytes) -> None:
        """Replace the layout's ``index.json`` (OCI image-layout)."""

    def walk(self) -> Iterator[BlobInfo]:
        """Every blob, in no order."""

    def close(self) -> None:
        """Wait for removals under way."""
