"""A blob is taken from a repository; its bytes go when nobody needs them any more."""

from pier.errors import Conflict
from pier.registry import names
from pier.registry.blobs.digests import parsed, unknown
from pier.registry.deps import Registry
from pier.registry.refusals import Code, Refusal


async def delete(registry: Registry, repository: str, digest: str) -> None:
    """Raises Refusal: BLOB_UNKNOWN, DIGEST_INVALID; DENIED while a manifest of the repository refers to it."""
    try:
        there = await registry.records.unlink_blob(names.repository(repository), parsed(digest))
    except Conflict as error:
        raise Refusal(Code.DENIED, "a manifest of the repository needs the blob", {"digest": digest}) from error
    if not there:
        raise unknown(digest)
