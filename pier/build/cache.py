"""The build cache's records (contract).

A record says which layers a step made. It is found by the step's key: the digest of the step's definition, of the
layers below it and of the contents of the files that it reads. Records are small and outlive their layers: a step
whose layers went can still tell the key of those that follow, and is run again only if one of them must be.
"""

from collections.abc import Iterable, Sequence
from typing import Protocol

import msgspec

from pier.oci.digest import Digest


class CacheRecord(msgspec.Struct, frozen=True, kw_only=True):
    """``kind``: regular, source.local, exec.cachemount, source.git.checkout, source.http, as BuildKit names them.

    ``diff_ids``: the whole root file system that the step left, bottom first; empty for other kinds. ``own``: how
    many of them, at the top, are the step's own. ``size``: bytes on disk, of the step's own. Times: ns since 1970.
    ``path``: the folder below the build root that the record stands for (cache mounts, checkouts), else empty.
    """

    key: str
    kind: str = "regular"
    description: str = ""
    diff_ids: tuple[Digest, ...] = ()
    own: int = 1
    size: int = 0
    created: int = 0
    used: int = 0
    uses: int = 0
    path: str = ""
    parents: tuple[str, ...] = ()


class CacheStore(Protocol):
    """Synchronous, thread-safe, quick."""

    def get(self, key: str) -> CacheRecord | None: ...

    def put(self, record: CacheRecord) -> None:
        """Record or replace."""

    def touch(self, keys: Iterable[str], now: int) -> None:
        """They were used once more."""

    def remove(self, keys: Iterable[str]) -> None:
        """Those that are not there are no error."""

    def list(self) -> Sequence[CacheRecord]: ...

    def content(self, root: str, selector: str) -> Digest | None:
        """The remembered digest of what ``selector`` picks from the immutable tree ``root`` (a chain ID, a commit)."""

    def contents(self, root: str) -> Sequence[tuple[str, Digest]]:
        """All that is remembered of ``root``: selectors and digests."""

    def remember(self, root: str, selector: str, digest: Digest, now: int) -> None: ...

    def forget(self, before: int) -> None:
        """Forget digests that were remembered before then (ns since 1970)."""
