"""Blobs as objects of S3: implements :class:`pier.registry.storage.Storage`.

An upload's location is a prefix; what is written for it are objects of their own, ``<location>-<random>``: one of
several parts, or of one, or a *tail*: the bytes behind the last whole part, between two requests. The one with all the
bytes becomes the blob's location, so nothing is copied, and a small blob costs one request.
"""

import re
import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Final

from pier.errors import DataCorrupted, NotFound
from pier.registry.storages.s3bucket import Bucket
from pier.registry.storages.s3writer import PART, S3Writer, decode

_LOCATION: Final = re.compile(r"[0-9a-f]{32}(-[0-9a-f]{12})?", re.A)


class S3Storage:
    """``connections`` are closed by :meth:`stop`."""

    exclusive = False

    def __init__(self, bucket: Bucket, connections: AsyncExitStack) -> None:
        self._bucket = bucket
        self._connections = connections

    def location(self) -> str:
        return secrets.token_hex(16)

    async def resume(self, location: str, offset: int, state: bytes) -> S3Writer:
        known = decode(state)
        if len(known.parts) * PART + known.tail_size != offset:
            raise DataCorrupted(f"the state of an upload is not that at {offset}")
        return S3Writer(self._bucket, _checked(location), known)

    async def salvage(self, location: str) -> int:
        return 0

    def read(self, location: str, start: int, stop: int) -> AsyncIterator[bytes]:
        return self._bucket.get(_checked(location), start, stop)

    def open(self, location: str) -> None:
        return None

    async def url(self, location: str, seconds: int) -> str:
        return await self._bucket.url(_checked(location), seconds)

    async def delete(self, location: str, state: bytes = b"") -> None:
        if "-" in _checked(location):
            await self._bucket.delete(location)
            return
        async for key, upload in self._bucket.unfinished(location):
            await self._bucket.abort(key, upload)
        async for name in self._bucket.names(location):
            await self._bucket.delete(name)

    async def walk(self) -> AsyncIterator[str]:
        async for name in self._bucket.names():
            if _LOCATION.fullmatch(name):
                yield name
        async for name, _ in self._bucket.unfinished():
            if _LOCATION.fullmatch(name):
                yield name

    async def healthy(self) -> None:
        await self._bucket.there()

    async def stop(self) -> None:
        await self._connections.aclose()


def _checked(location: str) -> str:
    if not _LOCATION.fullmatch(location):
        raise NotFound(f"{location[:100]!r} is no location")
    return location
