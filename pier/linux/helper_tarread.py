"""Walking through the entries of a tar that comes in pieces, recording its skeleton as it goes."""

import hashlib
from collections.abc import Callable, Iterator
from typing import Final

from pier.linux.helper_skeleton import Writer
from pier.linux.helper_tarheader import (
    BLOCK,
    GNU_LONG_LINK,
    GNU_LONG_NAME,
    GNU_SPARSE,
    INVALID,
    MAX_SIZE,
    MAX_SPECIAL,
    PAX,
    PAX_GLOBAL,
    Header,
    TarError,
    complete,
    number,
    parse_header,
    parse_pax,
)

_SPARSE_ENTRIES_MAX: Final = 100_000


class TarReader:
    """Reads entries; for each, the caller takes all of its ``size`` bytes through ``content`` or ``raw``."""

    def __init__(self, pieces: Iterator[memoryview | bytes], skeleton: Writer | None, *, hashed: bool = True) -> None:
        self._pieces = pieces
        self._skeleton = skeleton
        self._piece = memoryview(b"")
        self._position = 0
        self._sha = hashlib.sha256() if hashed else None
        self._block = b""
        self.size = 0

    def entries(self) -> Iterator[Header]:
        """The entries up to the archive's end; then the rest of the stream is taken in. Raises TarError."""
        while (header := self._next()) is not None:
            yield header
            padding = -header.size % BLOCK
            if padding:
                self.raw(padding)
        self._drain()

    @property
    def digest(self) -> str:
        """Of all bytes of the stream; meaningful after the last entry."""
        return "sha256:" + self._sha.hexdigest() if self._sha is not None else ""

    def content(self, size: int, sink: Callable[[memoryview], object]) -> None:
        """Pass the next ``size`` bytes to ``sink``; the skeleton does not get them."""
        while size:
            available = len(self._piece) - self._position
            if not available:
                if not self._more():
                    raise TarError("unexpected EOF")
                continue
            count = min(size, available)
            sink(self._piece[self._position : self._position + count])
            self._position += count
            size -= count

    def raw(self, size: int) -> bytes:
        """The next ``size`` bytes (few), which also go into the skeleton."""
        end = self._position + size
        if end <= len(self._piece):
            data = bytes(self._piece[self._position : end])
            self._position = end
        else:
            parts: list[bytes] = []
            self.content(size, lambda part: parts.append(bytes(part)))
            data = b"".join(parts)
        if self._skeleton is not None:
            self._skeleton.raw(data)
        return data

    def _more(self) -> bool:
        piece = next(self._pieces, b"")
        self._piece, self._position = memoryview(piece), 0
        if self._sha is not None:
            self._sha.update(self._piece)
        self.size += len(piece)
        return len(piece) > 0

    def _at_end(self) -> bool:
        return self._position == len(self._piece) and not self._more()

    def _drain(self) -> None:
        while not self._at_end():
            if self._skeleton is not None:
                self._skeleton.raw(self._piece[self._position :])
            self._position = len(self._piece)

    def _next(self) -> Header | None:
        long_name = long_link = b""
        extended: list[tuple[bytes, bytes]] = []
        while True:
            if self._at_end():
                return None
            self._block = self.raw(BLOCK)
            header = parse_header(self._block)
            if header is None:
                self._second_zero_block()
                return None
            if header.kind == PAX:
                extended = parse_pax(self._special(header))
            elif header.kind == PAX_GLOBAL:
                self._skip(header)
            elif header.kind == GNU_LONG_NAME:
                long_name = self._special(header).partition(b"\0")[0]
            elif header.kind == GNU_LONG_LINK:
                long_link = self._special(header).partition(b"\0")[0]
            else:
                break
        complete(header, long_name, long_link, extended)
        if min(header.uid, header.gid, header.size) < 0 or max(header.uid, header.gid) >= 0xFFFFFFFF:
            raise TarError(INVALID)
        return header

    def _second_zero_block(self) -> None:
        if not self._at_end() and parse_header(self.raw(BLOCK)) is not None:
            raise TarError(INVALID)

    def _special(self, header: Header) -> bytes:
        if header.size > MAX_SPECIAL:
            raise TarError("archive/tar: header field too long")
        data = self.raw(header.size)
        self.raw(-header.size % BLOCK)
        return data

    def _skip(self, header: Header) -> None:
        remaining = header.size + -header.size % BLOCK
        while remaining:
            remaining -= len(self.raw(min(remaining, MAX_SPECIAL)))

    def sparse_map(self, header: Header) -> list[tuple[int, int]]:
        """The data areas (offset, length) of a sparse file; afterwards ``header.size`` bytes of data follow."""
        if header.kind == GNU_SPARSE:
            pairs = self._gnu_sparse(header)
        elif header.sparse == b"1.0":
            pairs = self._pax_sparse(header)
        else:
            flat = header.sparse_pairs or []
            pairs = list(zip(flat[::2], flat[1::2], strict=len(flat) % 2 == 0))
        _check_sparse(pairs, header)
        return pairs

    def _gnu_sparse(self, header: Header) -> list[tuple[int, int]]:
        block = self._block
        header.real_size = number(block[483:495])
        pairs = _old_pairs(block[386:482])
        extended = block[482]
        while extended:
            block = self.raw(BLOCK)
            pairs += _old_pairs(block[:504])
            extended = block[504]
            if len(pairs) > _SPARSE_ENTRIES_MAX:
                raise TarError(INVALID)
        return pairs

    def _pax_sparse(self, header: Header) -> list[tuple[int, int]]:
        """Format 1.0: the map is lines of decimal numbers at the beginning of the data, padded to a block."""
        lines: list[bytes] = []
        text = b""
        wanted = 1
        while len(lines) < wanted:
            if header.size < BLOCK:
                raise TarError(INVALID)
            text += self.raw(BLOCK)
            header.size -= BLOCK
            *more, text = text.split(b"\n")
            lines += more
            if any(not line.isdigit() or len(line) > 19 for line in more) or len(text) > 20 + BLOCK:
                raise TarError(INVALID)
            wanted = 1 + 2 * int(lines[0]) if lines else 1
            if wanted > 2 * _SPARSE_ENTRIES_MAX:
                raise TarError(INVALID)
        numbers = [int(line) for line in lines[1:wanted]]
        return list(zip(numbers[::2], numbers[1::2], strict=True))


def _old_pairs(area: bytes) -> list[tuple[int, int]]:
    pairs = [(area[at : at + 12], area[at + 12 : at + 24]) for at in range(0, len(area) - 23, 24)]
    return [(number(offset), number(length)) for offset, length in pairs if offset[0]]


def _check_sparse(pairs: list[tuple[int, int]], header: Header) -> None:
    end = 0
    for offset, length in pairs:
        if offset < end or length < 0 or offset + length > min(header.real_size, MAX_SIZE):
            raise TarError(INVALID)
        end = offset + length
    if sum(length for _, length in pairs) != header.size:
        raise TarError(INVALID)
