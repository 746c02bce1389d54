"""A chunk of a blob comes in (OCI distribution 1.1, "Pushing a blob in chunks")."""

from collections.abc import AsyncIterator

from pier.registry.blobs.session import turn
from pier.registry.deps import Registry
from pier.registry.model import Upload


async def append(
    registry: Registry,
    repository: str,
    id: str,
    chunks: AsyncIterator[bytes],
    *,
    start: int | None = None,
    expected: int = 0,
    holder: str = "",
) -> Upload:
    """Bring ``chunks`` behind what is there; how far it reaches now, durably. ``start``: where the client means to be;
    ``expected``: how many bytes it says that it brings.

    Raises Refusal: BLOB_UPLOAD_UNKNOWN; RANGE_INVALID with the range that is there; DENIED where its project has no
    room, the upload gone with it. What ``chunks`` raises is passed on, once what had come is kept.
    """
    async with turn(registry, repository, id, start, holder) as session:
        await session.take(chunks, expected)
        await session.pause()
        return session.upload
