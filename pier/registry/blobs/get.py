"""A blob is asked for, goes out, is linked elsewhere or taken from a repository."""

from collections.abc import AsyncIterator

from pier.errors import Conflict, InvalidArgument
from pier.oci.digest import parse_digest
from pier.registry import names
from pier.registry.blobs.finish import parsed
from pier.registry.deps import Registry
from pier.registry.model import Blob
from pier.registry.refusals import Code, Refusal


async def stat(registry: Registry, repository: str, digest: str, *, lease: bool = False) -> Blob:
    """``lease``: who asks will push a manifest that needs it, so keep it for a while.

    Raises Refusal: BLOB_UNKNOWN, DIGEST_INVALID.
    """
    until = registry.now() + registry.settings.lease if lease else 0
    found = await registry.records.blob(names.repository(repository), parsed(digest), until)
    if found is None:
        raise _unknown(digest)
    return found


def read(registry: Registry, blob: Blob, start: int = 0, stop: int | None = None) -> AsyncIterator[bytes]:
    """Its bytes from ``start`` to ``stop`` (exclusive), in pieces. Raises NotFound, Unavailable."""
    return registry.storage.read(blob.location, start, blob.size if stop is None else stop)


async def mount(registry: Registry, repository: str, source: str, digest: str) -> Blob | None:
    """Have ``repository`` know the blob of ``source`` too, leased; None where there is nothing to mount.

    That is no error: the client brings the bytes then. Who may read ``source`` is the caller's business.
    """
    names.repository(repository)
    try:
        names.repository(source)
        wanted = parse_digest(digest)
    except (Refusal, InvalidArgument):
        return None
    return await registry.records.mount_blob(repository, source, wanted, registry.now() + registry.settings.lease)


async def delete(registry: Registry, repository: str, digest: str) -> None:
    """Take it from the repository; its bytes go when nobody needs them. Raises Refusal: BLOB_UNKNOWN, DENIED."""
    try:
        there = await registry.records.unlink_blob(names.repository(repository), parsed(digest))
    except Conflict as error:
        raise Refusal(Code.DENIED, "a manifest of the repository needs the blob", {"digest": digest}) from error
    if not there:
        raise _unknown(digest)


def _unknown(digest: str) -> Refusal:
    return Refusal(Code.BLOB_UNKNOWN, "blob unknown to registry", {"digest": digest[:255]})
