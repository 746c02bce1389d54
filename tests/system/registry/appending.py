"""Writes to an upload until it is killed: ``python appending.py URL LOCATION OFFSET STATE``.

Each line that it prints is a promise of the storage's: an offset, and the state in hex (``-`` for none). Byte ``n`` of
the upload is ``n % 251``.
"""

import asyncio
import random
import sys

from pier.registry.storages.opening import open_storage

CYCLE = bytes(range(251))


def content(start: int, length: int) -> bytes:
    skip = start % len(CYCLE)
    return (CYCLE * ((skip + length) // len(CYCLE) + 1))[skip : skip + length]


async def main(url: str, location: str, offset: int, state: bytes) -> None:
    storage = await open_storage(url)
    writer = await storage.resume(location, offset, state)
    while True:
        for _ in range(random.randrange(4)):
            piece = content(offset, random.choice((1, 1000, 100_000, 3_000_000)))
            await writer.write(piece)
            offset += len(piece)
        reached, state = await writer.pause()
        assert reached == offset
        print(offset, state.hex() or "-", flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), bytes.fromhex(sys.argv[4].strip("-"))))
