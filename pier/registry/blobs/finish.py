"""An upload becomes a blob."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import msgspec

from pier.errors import PierError, Unavailable
from pier.oci.digest import Digest, from_hex
from pier.registry.blobs.digests import parsed, wrong
from pier.registry.blobs.session import BUSY, Session, turn
from pier.registry.blobs.underway import Hash
from pier.registry.blobs.uploads import abandon, begin, cancel, discard, out_of_order, status
from pier.registry.deps import Registry
from pier.registry.model import Blob, Upload
from pier.registry.records import FINISHING
from pier.registry.refusals import Refusal
from pier.registry.threads import hop, unbroken


async def finish(
    registry: Registry,
    repository: str,
    id: str,
    digest: str,
    chunks: AsyncIterator[bytes] | None = None,
    *,
    start: int | None = None,
    expected: int = 0,
    holder: str = "",
) -> Blob:
    """Bring the last of it, ``chunks`` of ``expected`` bytes or more, and have ``repository`` know it as ``digest``,
    leased.

    Raises Refusal: DIGEST_INVALID, the upload gone with it where its bytes are others; BLOB_UPLOAD_UNKNOWN;
    RANGE_INVALID; DENIED where its project has no room, the upload gone with it. What ``chunks`` raises is passed on,
    once what had come is kept.
    """
    wanted = parsed(digest)
    async with turn(registry, repository, id, start, holder) as session:
        if chunks is not None:
            await session.take(chunks, expected)
        return await complete(session, wanted, holder)


async def monolithic(
    registry: Registry,
    repository: str,
    digest: str,
    chunks: AsyncIterator[bytes],
    *,
    expected: int = 0,
    holder: str = "",
) -> Blob:
    """A blob in one request. What fails leaves nothing: nobody knows the upload. Raises as :func:`finish` does."""
    parsed(digest)
    upload = await begin(registry, repository, holder=holder)
    try:
        return await finish(registry, repository, upload.id, digest, chunks, expected=expected, holder=holder)
    except Unavailable:
        with suppress(PierError):
            await unbroken(abandon(registry, repository, upload.id))
        raise
    except BaseException:
        with suppress(PierError):
            await unbroken(cancel(registry, repository, upload.id))
        raise


async def complete(session: Session, expected: Digest, holder: str) -> Blob:
    """Make a blob of an upload of which all has come; also where the caller is cancelled meanwhile."""
    return await unbroken(_finish(session, expected, holder))


async def _finish(session: Session, expected: Digest, holder: str) -> Blob:
    """The writer, or a mark in the records, keeps others out until those have the blob."""
    if session.hash is not None:
        await _check(session, session.upload, expected, session.hash)
    if session.registry.storage.exclusive:
        return await _make(session, session.upload, expected, holder)
    async with _claimed(session) as upload:
        return await _make(session, upload, expected, holder)


@asynccontextmanager
async def _claimed(session: Session) -> AsyncIterator[Upload]:
    """The upload as it is in the records meanwhile; as it was, where nothing came of it."""
    records, upload, now = session.registry.records, session.upload, session.registry.now()
    if not await records.advance_upload(upload.id, upload.offset, FINISHING, upload.state, now):
        raise out_of_order(await status(session.registry, upload.repository, upload.id), BUSY)
    try:
        yield msgspec.structs.replace(upload, offset=FINISHING)
    except BaseException:
        await records.advance_upload(upload.id, FINISHING, upload.offset, upload.state, now)
        raise


async def _make(session: Session, upload: Upload, expected: Digest, holder: str) -> Blob:
    writer = session.writer
    size = await writer.finish()
    if session.hash is None:
        await _check(session, upload, expected, await _read_back(session, size))
    return await _note(session, Blob(expected, size, writer.location, session.registry.now()), holder)


async def _check(session: Session, upload: Upload, expected: Digest, hash: Hash) -> None:
    found = from_hex(hash.hexdigest())
    if found != expected:
        await session.writer.close()
        await discard(session.registry, upload)
        raise wrong(expected, found)


async def _read_back(session: Session, size: int) -> Hash:
    """The hash of an upload that was begun elsewhere: no library can go on with another's."""
    hash = Hash()
    async for piece in session.registry.storage.read(session.writer.location, 0, size):
        await hop(None, hash.update, piece)
    return hash


async def _note(session: Session, blob: Blob, holder: str) -> Blob:
    registry, upload = session.registry, session.upload
    try:
        known = await registry.records.add_blob(
            upload.repository, upload.id, blob, blob.created + registry.settings.lease, holder
        )
    except Refusal:
        await registry.storage.delete(blob.location)
        raise
    if known.location != blob.location:
        await registry.storage.delete(upload.location, upload.state)
        await registry.records.end_upload(upload.id)
    registry.underway.forget(upload.id)
    return known
