"""Whether all bytes are there that the records know, and no others (``pier registry fsck``); also while it serves.

Bytes have a row before they come, and lose it after they are gone. So what was in the storage before the rows were read
and has none is nobody's; and a row without bytes that is still there when it is read again has lost them.
"""

import asyncio
import hashlib
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Final, Literal

from pier.errors import DataCorrupted, NotFound
from pier.oci.digest import from_hex
from pier.registry.deps import Registry
from pier.registry.model import Blob
from pier.registry.threads import hop

Kind = Literal["lost", "leftover", "count", "dangling"]
_PAGE: Final = 1000
_AT_A_TIME: Final = 8
_TOGETHER: Final = 50_000


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it should be. ``mended``: it is now."""

    kind: Kind
    text: str
    mended: bool = False


async def check(
    registry: Registry, *, fix: bool = False, data: bool = False, together: int = _TOGETHER
) -> AsyncGenerator[Finding, None]:
    """``data``: read all bytes and compare their digests. ``fix``: delete what is nobody's, count anew, and take blobs
    that are lost for such that nobody brought yet: the next push of them brings them. ``together``: how many locations
    are compared at once: all of them would take 150 MB a million.
    """
    async for location in _nobodys(registry, together):
        if fix:
            await registry.storage.delete(location)
        yield Finding("leftover", f"bytes at {location} that nothing knows", fix)
    after = ""
    while page := await registry.records.live_blobs(after, _PAGE):
        for start in range(0, len(page), _AT_A_TIME):
            some = page[start : start + _AT_A_TIME]
            reasons = await asyncio.gather(*(_missing(registry, blob, data) for blob in some))
            for blob, reason in zip(some, reasons, strict=True):
                if reason:
                    yield await _lost(registry, blob, reason, fix)
        after = page[-1].digest
    for text in await registry.records.wrong_counts(fix):
        yield Finding("count", text, fix)
    for text in await registry.records.dangling():
        yield Finding("dangling", text)


async def _nobodys(registry: Registry, together: int) -> AsyncGenerator[str, None]:
    """Locations with bytes that no row has."""
    some: list[str] = []
    async for location in registry.storage.walk():
        if some and (len(some) >= together or location[:2] < some[-1][:2]):
            for each in await _unknown(registry, some):
                yield each
            some = []
        some.append(location)
    for each in await _unknown(registry, some) if some else ():
        yield each


async def _unknown(registry: Registry, some: list[str]) -> list[str]:
    """Bytes of an upload may be at several locations that begin with the upload's."""
    known = await registry.records.locations(min(some).partition("-")[0], max(some))
    return sorted(each for each in some if each not in known and each.partition("-")[0] not in known)


async def _missing(registry: Registry, blob: Blob, data: bool) -> str:
    """What is wrong with its bytes; "" where nothing is, or where it was deleted meanwhile."""
    reason = await _damage(registry, blob, data)
    if reason and blob in await registry.records.live_blobs(blob.digest[:-1], 1):
        return reason
    return ""


async def _damage(registry: Registry, blob: Blob, data: bool) -> str:
    hash = hashlib.sha256()
    start = 0 if data else max(blob.size - 1, 0)
    try:
        async for piece in registry.storage.read(blob.location, start, blob.size):
            await hop(None, hash.update, piece)
    except NotFound:
        return "its bytes are gone"
    except DataCorrupted:
        return "its end is gone"
    if data and from_hex(hash.hexdigest()) != blob.digest:
        return "its bytes are others"
    return ""


async def _lost(registry: Registry, blob: Blob, reason: str, fix: bool) -> Finding:
    needing = await registry.records.needing(blob.digest)
    text = f"blob {blob.digest} of {blob.size} bytes: {reason}; needed by {', '.join(needing) or 'nothing'}"
    return Finding("lost", text, fix and await registry.records.lose_blob(blob, registry.now()))
