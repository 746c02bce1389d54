"""A blob is asked for, and goes out."""

from collections.abc import AsyncIterator

from pier.registry import names
from pier.registry.blobs.digests import parsed, unknown
from pier.registry.deps import Registry
from pier.registry.model import Blob


async def head(registry: Registry, repository: str, digest: str, *, keep: bool = False, holder: str = "") -> Blob:
    """``keep``: who asks will push a manifest that needs it, so lease it for a while.

    Raises Refusal: BLOB_UNKNOWN, DIGEST_INVALID.
    """
    until = registry.now() + registry.settings.lease if keep else 0
    found = await registry.records.blob(names.repository(repository), parsed(digest), until, holder)
    if found is None:
        raise unknown(digest)
    return found


def read(registry: Registry, blob: Blob, start: int = 0, stop: int | None = None) -> AsyncIterator[bytes]:
    """Its bytes from ``start`` to ``stop`` (exclusive), in pieces. Raises NotFound, Unavailable."""
    return registry.storage.read(blob.location, start, blob.size if stop is None else stop)
