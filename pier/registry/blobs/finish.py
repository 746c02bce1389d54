"""An upload becomes a blob."""

from collections.abc import AsyncIterator
from contextlib import suppress

from pier.errors import PierError
from pier.oci.digest import Digest, from_hex
from pier.registry.blobs.digests import parsed, wrong
from pier.registry.blobs.session import Session, turn
from pier.registry.blobs.uploads import begin, cancel, discard, out_of_order, status
from pier.registry.deps import Registry
from pier.registry.model import Blob
from pier.registry.threads import unbroken


async def finish(
    registry: Registry,
    repository: str,
    id: str,
    digest: str,
    chunks: AsyncIterator[bytes] | None = None,
    *,
    start: int | None = None,
) -> Blob:
    """Bring the last of it, ``chunks``, and have ``repository`` know it as ``digest``, leased.

    Raises Refusal: DIGEST_INVALID, the upload gone with it where its bytes are others; BLOB_UPLOAD_UNKNOWN;
    RANGE_INVALID. What ``chunks`` raises is passed on, once what had come is kept.
    """
    expected = parsed(digest)
    async with turn(registry, repository, id, start) as session:
        hash = await session.rehash()
        if chunks is not None:
            await session.take(chunks)
        found = from_hex(hash.hexdigest())
        if found != expected:
            await unbroken(_refuse(session))
            raise wrong(expected, found)
        return await unbroken(_finish(session, expected))


async def monolithic(registry: Registry, repository: str, digest: str, chunks: AsyncIterator[bytes]) -> Blob:
    """A blob in one request. What fails leaves nothing: nobody knows the upload. Raises as :func:`finish` does."""
    parsed(digest)
    upload = await begin(registry, repository)
    try:
        return await finish(registry, repository, upload.id, digest, chunks)
    except BaseException:
        with suppress(PierError):
            await unbroken(cancel(registry, repository, upload.id))
        raise


async def _finish(session: Session, digest: Digest) -> Blob:
    """The session's lock is held until the records have it: nobody else shall write where a blob lies."""
    registry, upload = session.registry, session.upload
    await _claim(session)
    size = await session.writer.finish()
    now = registry.now()
    blob = Blob(digest, size, upload.location, now)
    known = await registry.records.add_blob(upload.repository, upload.id, blob, now + registry.settings.lease)
    if known.location != blob.location:
        await registry.storage.delete(blob.location, session.upload.state)
        await registry.records.end_upload(upload.id)
    return known


async def _claim(session: Session) -> None:
    """Where nothing keeps others from the location, the records do: who brings the last bytes is the one to finish."""
    registry, upload = session.registry, session.upload
    if session.taken and not registry.storage.exclusive:
        reach = upload.offset + session.taken
        if not await registry.records.advance_upload(upload.id, upload.offset, reach, upload.state, registry.now()):
            raise out_of_order(await status(registry, upload.repository, upload.id))


async def _refuse(session: Session) -> None:
    await session.writer.close()
    await discard(session.registry, session.upload)
