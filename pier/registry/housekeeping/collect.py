"""Giving space back: blobs that no manifest refers to and nobody is about to use, and uploads that were left."""

import asyncio
from typing import Final

from pier.errors import PierError
from pier.log import Logger
from pier.registry.deps import Registry
from pier.registry.model import Blob, Upload
from pier.registry.records import CONDEMNED

_log: Final = Logger("pier.registry")
_BATCH: Final = 200
_AT_A_TIME: Final = 8


async def collect(registry: Registry) -> int:
    """Delete all that may go; several instances may do so at once. Returns the bytes of the blobs that went.

    A blob is claimed in the database before its bytes are touched, and forgotten when they are gone: what is
    interrupted in between is claimed again later.
    """
    freed = 0
    while await registry.records.end_leases(registry.now(), _BATCH) == _BATCH:
        pass
    while claimed := await registry.records.claim_garbage(registry.now(), _BATCH):
        gone = await _deleted(registry, claimed)
        await registry.records.forget_blobs(gone)
        freed += sum(blob.size for blob in gone)
        if len(claimed) < _BATCH:
            break
    if freed:
        _log.info("collected", bytes=freed)
    return freed


async def _deleted(registry: Registry, blobs: list[Blob]) -> list[Blob]:
    """Those whose bytes are gone."""
    slots = asyncio.Semaphore(_AT_A_TIME)

    async def delete(blob: Blob) -> Blob | None:
        async with slots:
            try:
                await registry.storage.delete(blob.location)
            except PierError as error:
                _log.warning("a blob's bytes stay for now", digest=blob.digest, reason=error.message)
                return None
            return blob

    return [blob for blob in await asyncio.gather(*map(delete, blobs)) if blob is not None]


async def end_stale_uploads(registry: Registry) -> int:
    """End uploads that nobody has gone on with for ``upload_life`` seconds. Returns how many."""
    ended = 0
    limit = registry.now() - registry.settings.upload_life
    for upload in await registry.records.stale_uploads(limit, _BATCH):
        ended += await _ended(registry, upload)
    return ended


async def _ended(registry: Registry, upload: Upload) -> bool:
    """Whoever comes back to it in this moment finds it gone, or goes on: never both."""
    records = registry.records
    if upload.offset != CONDEMNED and not await records.advance_upload(
        upload.id, upload.offset, CONDEMNED, upload.state, upload.touched
    ):
        return False
    try:
        await registry.storage.delete(upload.location, upload.state)
    except PierError as error:
        _log.warning("an upload's bytes stay for now", upload=upload.id, reason=error.message)
        return False
    await records.end_upload(upload.id)
    return True
