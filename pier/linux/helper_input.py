"""The stream that a helper unpacks: read, hashed, inflated and hashed again, in bounded pieces.

Bytes of the blob go to ``keep`` (a descriptor) as they come, so that a compressed layer is stored and
unpacked in one pass.
"""

import bz2
import hashlib
import lzma
import os
import sys
import zlib
from collections.abc import Iterator
from typing import Any, Final, Protocol

from pier.linux.helper_tarheader import TarError

CHUNK: Final = 256 * 1024
_WINDOW_MAX: Final = 128 * 1024 * 1024
_XZ_MEMORY: Final = 256 * 1024 * 1024


class _Inflater(Protocol):
    """One member or frame of a compressed stream."""

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def feed(self, data: bytes | memoryview) -> bytes: ...

    def hungry(self) -> bool: ...


class _Zlib:
    """gzip through isal where it is installed (twice as fast), else zlib; output in pieces of CHUNK."""

    def __init__(self) -> None:
        self._object: Any
        try:
            from isal import isal_zlib
        except ImportError:
            self._object = zlib.decompressobj(wbits=31)
        else:
            self._object = isal_zlib.decompressobj(wbits=31)

    @property
    def eof(self) -> bool:
        return bool(self._object.eof)

    @property
    def unused_data(self) -> bytes:
        return bytes(self._object.unused_data)

    def feed(self, data: bytes | memoryview) -> bytes:
        tail = self._object.unconsumed_tail
        return bytes(self._object.decompress(tail + bytes(data) if tail else data, CHUNK))

    def hungry(self) -> bool:
        return not self._object.unconsumed_tail


class _Bounded:
    """bz2 and lzma decompressors, which keep their input themselves."""

    def __init__(self, decompressor: Any) -> None:
        self._object = decompressor

    @property
    def eof(self) -> bool:
        return bool(self._object.eof)

    @property
    def unused_data(self) -> bytes:
        return bytes(self._object.unused_data)

    def feed(self, data: bytes | memoryview) -> bytes:
        return bytes(self._object.decompress(data, CHUNK))

    def hungry(self) -> bool:
        return bool(self._object.needs_input)


class Source:
    """Raw bytes: what ``resume`` already holds of the blob, then what comes from ``descriptor``.

    ``digest`` and ``size`` are those of all bytes read so far; ``digest`` is only kept when ``hashed``.
    """

    def __init__(self, descriptor: int, *, keep: int | None, hashed: bool) -> None:
        self._descriptor = descriptor
        self._keep = keep
        self._sha = hashlib.sha256() if hashed else None
        self._buffer = memoryview(bytearray(CHUNK))
        self._stored = os.lseek(keep, 0, os.SEEK_END) if keep is not None else 0
        self.size = 0

    def read(self) -> memoryview:
        """The next bytes, valid until the next call; empty at the end."""
        if self._keep is not None and self.size < self._stored:
            count = os.preadv(self._keep, [self._buffer], self.size)
            fresh = False
        else:
            count = self._fill()
            fresh = True
        view = self._buffer[:count]
        if self._sha is not None:
            self._sha.update(view)
        self.size += count
        if self._keep is not None and fresh:
            write_all(self._keep, view)
        return view

    def _fill(self) -> int:
        """A whole buffer where the pipe has it: fewer and larger steps for whoever comes after."""
        count = 0
        while count < CHUNK:
            got = os.readv(self._descriptor, [self._buffer[count:]])
            if got == 0:
                break
            count += got
        return count

    @property
    def digest(self) -> str:
        return "sha256:" + self._sha.hexdigest() if self._sha is not None else ""


def write_all(descriptor: int, data: memoryview | bytes) -> None:
    written = os.write(descriptor, data)
    while written < len(data):
        data = memoryview(data)[written:]
        written = os.write(descriptor, data)


def plain(source: Source) -> Iterator[memoryview | bytes]:
    """The uncompressed bytes of ``source`` in pieces, whatever it is compressed with. Raises TarError."""
    first = source.read()
    magic = bytes(first[:6])
    if magic.startswith((b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"\xfd7zXZ\0", b"BZh")) or _is_skippable_zstd(magic):
        yield from _inflated(source, bytes(first), magic)
        return
    while first:
        yield first
        first = source.read()


def _is_skippable_zstd(magic: bytes) -> bool:
    return len(magic) >= 4 and magic[1:4] == b"\x2a\x4d\x18" and 0x50 <= magic[0] <= 0x5F


def _inflated(source: Source, data: bytes, magic: bytes) -> Iterator[bytes]:
    if magic[:2] not in (b"\x1f\x8b", b"BZ", b"\xfd7"):
        yield from _unzstd(source, data)
        return
    member = _member(magic)
    failures: tuple[type[Exception], ...] = (zlib.error, OSError, EOFError, lzma.LZMAError, *_isal_errors())
    while True:
        try:
            piece = member.feed(data)
        except failures as error:
            raise TarError(f"cannot decompress layer: {error}") from error
        if piece:
            yield piece
        data = b""
        if member.eof:
            data = member.unused_data or bytes(source.read())
            data = _after_padding(source, data)
            if not data:
                return
            member = _member(magic)
        elif member.hungry():
            data = bytes(source.read())
            if not data:
                raise TarError("unexpected EOF")


def _after_padding(source: Source, data: bytes) -> bytes:
    """What follows zeros after a member: tapes and some registries pad."""
    while data and not data.strip(b"\0"):
        data = bytes(source.read())
    return data.lstrip(b"\0") if data[:1] == b"\0" else data


def _isal_errors() -> tuple[type[Exception], ...]:
    module = sys.modules.get("isal.isal_zlib")
    return (module.error,) if module is not None else ()


def _member(magic: bytes) -> _Inflater:
    if magic.startswith(b"\x1f\x8b"):
        return _Zlib()
    if magic.startswith(b"BZh"):
        return _Bounded(bz2.BZ2Decompressor())
    return _Bounded(lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY))


class _Rest:
    """The raw stream as the file object that zstandard reads from."""

    def __init__(self, source: Source, first: bytes) -> None:
        self._source = source
        self._first = first

    def read(self, size: int = -1) -> bytes:
        data, self._first = self._first, b""
        return data or bytes(self._source.read())


def _unzstd(source: Source, first: bytes) -> Iterator[bytes]:
    import zstandard

    limits = zstandard.ZstdDecompressor(max_window_size=_WINDOW_MAX)
    rest: Any = _Rest(source, first)
    reader = limits.stream_reader(rest, read_size=CHUNK, read_across_frames=True, closefd=False)
    while True:
        try:
            piece = reader.read(CHUNK)
        except zstandard.ZstdError as error:
            raise TarError(f"cannot decompress layer: {error}") from error
        if not piece:
            return
        yield piece
