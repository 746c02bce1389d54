"""Brings a blob of zeros: ``python streaming.py URL BYTES DIGEST``. Prints the most memory that it took, in KiB."""

import asyncio
import resource
import sys
from collections.abc import AsyncIterator
from typing import cast

from pier.registry.blobs.append import append
from pier.registry.blobs.finish import finish
from pier.registry.blobs.uploads import begin
from pier.registry.deps import Registry
from pier.registry.records import Records
from pier.registry.settings import Settings
from pier.registry.storages.opening import open_storage
from pier.testing.registry_uploads import MemoryUploads


async def zeros(size: int) -> AsyncIterator[bytes]:
    while size:
        piece = bytes(min(size, 128 << 10))
        size -= len(piece)
        yield piece


async def main(url: str, size: int, digest: str) -> None:
    registry = Registry(cast(Records, MemoryUploads()), await open_storage(url), Settings())
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    upload = await begin(registry, "a")
    await append(registry, "a", upload.id, zeros(size))
    blob = await finish(registry, "a", upload.id, digest)
    await registry.storage.delete(blob.location)
    await registry.storage.stop()
    print(blob.size, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), sys.argv[3]))
