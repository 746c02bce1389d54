"""Compressing layers so that the same layer is the same blob, whenever and wherever it is done.

igzip's output depends on how its input is cut; what comes through a pipe is cut anyhow. Hence the fixed pieces.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Final, Protocol

_PIECE: Final = 256 * 1024


class Compressor(Protocol):
    def compress(self, data: bytes, /) -> bytes: ...

    def flush(self) -> bytes: ...


async def compressed(source: AsyncIterator[bytes], compressor: Compressor) -> AsyncGenerator[bytes, None]:
    """``source`` through ``compressor``, off the loop."""
    async for piece in _cut(source):
        if data := await asyncio.to_thread(compressor.compress, piece):
            yield data
    if data := await asyncio.to_thread(compressor.flush):
        yield data


async def _cut(source: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same bytes in pieces of one size, but for the last."""
    gathered = bytearray()
    async for data in source:
        gathered += data
        while len(gathered) >= _PIECE:
            yield bytes(gathered[:_PIECE])
            del gathered[:_PIECE]
    if gathered:
        yield bytes(gathered)
