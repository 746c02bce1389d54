"""Reading a tar that arrives in pieces, entry by entry, without ever holding more than a piece of it."""

from collections.abc import AsyncIterator
from typing import Final

from pier.errors import DataCorrupted
from pier.linux.helper_tarheader import (
    BLOCK,
    GNU_LONG_LINK,
    GNU_LONG_NAME,
    MAX_SPECIAL,
    PAX,
    PAX_GLOBAL,
    Header,
    TarError,
    complete,
    parse_header,
    parse_pax,
)


class TarStream:
    """Iterate over ``entries``; within one, take of its content what is wanted: the rest is skipped.

    Raises DataCorrupted, "unexpected EOF" for a stream that ends too early.
    """

    def __init__(self, source: AsyncIterator[bytes]) -> None:
        self._source = source
        self._piece = memoryview(b"")
        self._left = 0

    async def entries(self) -> AsyncIterator[Header]:
        while (header := await self._next()) is not None:
            self._left = header.size
            yield header
            await self._skip(self._left + -header.size % BLOCK)

    async def pieces(self) -> AsyncIterator[memoryview]:
        """What has not been taken yet of the current entry's content, in pieces as they came."""
        while self._left:
            if not self._piece:
                await self._more()
            taken = self._piece[: self._left]
            self._piece = self._piece[len(taken) :]
            self._left -= len(taken)
            yield taken

    async def peek(self, count: int) -> bytes:
        """The first bytes, at most ``count``, of what is left of the current entry; they stay."""
        count = min(count, self._left)
        while len(self._piece) < count:
            rest = bytes(self._piece)
            await self._more()
            self._piece = memoryview(rest + bytes(self._piece))
        return bytes(self._piece[:count])

    async def _next(self) -> Header | None:
        long_name = long_link = b""
        extended: list[tuple[bytes, bytes]] = []
        while True:
            if not self._piece and not await self._fill():
                return None
            try:
                header = parse_header(await self._take(BLOCK))
                if header is None:
                    await self._drain()
                    return None
                if header.kind == PAX:
                    extended = parse_pax(await self._special(header))
                elif header.kind == GNU_LONG_NAME:
                    long_name = (await self._special(header)).partition(b"\0")[0]
                elif header.kind == GNU_LONG_LINK:
                    long_link = (await self._special(header)).partition(b"\0")[0]
                elif header.kind == PAX_GLOBAL:
                    await self._special(header)
                else:
                    return complete(header, long_name, long_link, extended)
            except TarError as error:
                raise DataCorrupted(str(error)) from error

    async def _special(self, header: Header) -> bytes:
        if header.size > MAX_SPECIAL:
            raise DataCorrupted("archive/tar: header field too long")
        data = await self._take(header.size)
        await self._skip(-header.size % BLOCK)
        return data

    async def _take(self, count: int) -> bytes:
        data = bytes(self._piece[:count])
        self._piece = self._piece[len(data) :]
        while len(data) < count:
            await self._more()
            part = bytes(self._piece[: count - len(data)])
            self._piece = self._piece[len(part) :]
            data += part
        return data

    async def _skip(self, count: int) -> None:
        while count:
            if not self._piece:
                await self._more()
            taken = min(count, len(self._piece))
            self._piece = self._piece[taken:]
            count -= taken

    async def _drain(self) -> None:
        while await self._fill():
            pass

    async def _more(self) -> None:
        if not await self._fill():
            raise DataCorrupted("unexpected EOF")

    async def _fill(self) -> bool:
        async for data in self._source:
            if data:
                self._piece = memoryview(data)
                return True
        return False


COMPRESSED: Final = (b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"\xfd7zXZ\0", b"BZh")


def is_compressed(first: bytes) -> bool:
    return first.startswith(COMPRESSED)


def is_tar(first: bytes) -> bool:
    """Whether ``first``, the first 512 bytes of something, begin a tar (an empty one is zeros)."""
    if len(first) < BLOCK:
        return False
    try:
        parse_header(first)
    except TarError:
        return False
    return True
