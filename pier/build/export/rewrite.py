"""A tar written again, entry by entry: under another folder, with other times."""

from collections.abc import AsyncGenerator, AsyncIterator
from typing import Final

import msgspec

from pier.errors import Unsupported
from pier.images.tarstream import TarStream
from pier.linux.helper_pack import encode
from pier.linux.helper_tarheader import BLOCK, GNU_SPARSE, LINK, Header

_NANO: Final = 1_000_000_000
_GATHER: Final = 256 * 1024


class Times(msgspec.Struct, frozen=True):
    """``epoch``: seconds, None to leave times as they are. What is younger gets it; with ``exact`` everything does."""

    epoch: int | None = None
    exact: bool = False

    def of(self, mtime: int) -> int:
        """``mtime`` in ns."""
        if self.epoch is None:
            return mtime
        return self.epoch * _NANO if self.exact else min(mtime, self.epoch * _NANO)


async def rewrite(
    source: AsyncIterator[bytes], times: Times, prefix: bytes = b"", *, end: bool = True
) -> AsyncGenerator[bytes, None]:
    """``source`` with ``times``, everything below the folder ``prefix`` (``x/``). ``end``: with the end of a tar.

    The same tree gives the same bytes wherever it is done. Raises DataCorrupted for what is no tar.
    """
    stream = TarStream(source)
    gathered = bytearray()
    if prefix:
        gathered += encode(Header(prefix, b"5", 0o755, 0, 0, 0, times.of(0), b""))
    async for header in stream.entries():
        gathered += _header(header, times, prefix)
        async for piece in stream.pieces():
            gathered += piece
            if len(gathered) >= _GATHER:
                yield bytes(gathered)
                gathered.clear()
        gathered += bytes(-header.size % BLOCK)
    if end:
        gathered += bytes(2 * BLOCK)
    if gathered:
        yield bytes(gathered)


def _header(header: Header, times: Times, prefix: bytes) -> bytes:
    if header.kind == GNU_SPARSE or header.sparse:
        raise Unsupported("a layer with sparse entries cannot be written with other times")
    header.mtime = times.of(header.mtime)
    if prefix:
        header.name = prefix + header.name.removeprefix(b"./")
        if header.kind == LINK:
            header.link = prefix + header.link.removeprefix(b"./")
    return encode(header)
