"""The skeleton of a tar: all of its bytes but the files' contents, which lie unpacked in a layer's folder.

Together they make the very same tar again, so an image that came uncompressed is not stored twice. The file:
a header (magic, the tar's length), then a zlib stream of records::

    RAW   u32 length            bytes
    FILE  u32 length of path    u64 size    path
    MOVED u32 length of path    u64 number of FILE records before it    path

MOVED says that what had been unpacked at ``path`` was replaced by a later entry of the same tar and lies in
``replaced/<n>`` now, n counting MOVED records.
"""

import os
import struct
import zlib
from collections.abc import Iterator
from typing import Any, Final

from pier.linux.helper_input import CHUNK, write_all
from pier.linux.helper_tarheader import TarError

MAGIC: Final = b"PIERTAR1"
RAW: Final = 0
FILE: Final = 1
MOVED: Final = 2
_HEADER: Final = struct.Struct("<8sQ")
_RAW: Final = struct.Struct("<BI")
_FILE: Final = struct.Struct("<BIQ")
_FLUSH: Final = 64 * 1024


class Writer:
    """Writes a skeleton to a descriptor; ``finish`` makes it valid."""

    def __init__(self, descriptor: int) -> None:
        try:
            from isal import isal_zlib

            self._zlib: Any = isal_zlib.compressobj(level=1)
        except ImportError:
            self._zlib = zlib.compressobj(1)
        self._descriptor = descriptor
        self._raw = bytearray()
        self._out = bytearray(_HEADER.pack(bytes(8), 0))
        self.files = 0

    def raw(self, data: bytes | memoryview) -> None:
        self._raw += data
        if len(self._raw) > _FLUSH:
            self._flush()

    def file(self, path: bytes, size: int) -> None:
        self._record(_FILE.pack(FILE, len(path), size) + path)
        self.files += 1

    def moved(self, path: bytes, before: int | None = None) -> None:
        """What the first ``before`` FILE records (None: all so far) made at ``path`` was replaced."""
        count = self.files if before is None else before
        self._record(_FILE.pack(MOVED, len(path), count) + path)

    def finish(self, tar_size: int) -> None:
        self._flush()
        self._out += self._zlib.flush()
        write_all(self._descriptor, bytes(self._out))
        os.pwrite(self._descriptor, _HEADER.pack(MAGIC, tar_size), 0)

    def _record(self, record: bytes) -> None:
        if self._raw:
            self._put(_RAW.pack(RAW, len(self._raw)))
            self._put(self._raw)
            self._raw.clear()
        self._put(record)

    def _flush(self) -> None:
        if self._raw:
            self._put(_RAW.pack(RAW, len(self._raw)))
            self._put(self._raw)
            self._raw.clear()

    def _put(self, data: bytes | bytearray) -> None:
        self._out += self._zlib.compress(data)
        if len(self._out) > _FLUSH:
            write_all(self._descriptor, bytes(self._out))
            self._out.clear()


def tar_size(descriptor: int) -> int:
    """The length of the tar. Raises TarError for what is no finished skeleton."""
    header = os.pread(descriptor, _HEADER.size, 0)
    if len(header) < _HEADER.size or header[:8] != MAGIC:
        raise TarError("layer skeleton is damaged")
    size: int = _HEADER.unpack(header)[1]
    return size


def records(descriptor: int) -> Iterator[tuple[int, int, bytes]]:
    """``(kind, number, bytes)`` of each record; a long RAW comes in several. Raises TarError."""
    tar_size(descriptor)
    stream = _Stream(descriptor)
    while kind := stream.take(1):
        length = int.from_bytes(stream.exactly(4), "little")
        if kind[0] == RAW:
            while length:
                piece = stream.exactly(min(length, CHUNK))
                length -= len(piece)
                yield RAW, 0, piece
        else:
            number = int.from_bytes(stream.exactly(8), "little")
            yield kind[0], number, stream.exactly(length)


class _Stream:
    """The inflated records."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._offset = _HEADER.size
        self._zlib = zlib.decompressobj()
        self._buffer = b""
        self._position = 0

    def exactly(self, count: int) -> bytes:
        data = self.take(count)
        if len(data) < count:
            raise TarError("layer skeleton is damaged")
        return data

    def take(self, count: int) -> bytes:
        """``count`` bytes, or what is left."""
        end = self._position + count
        while end > len(self._buffer) and self._more():
            end = self._position + count
        data = self._buffer[self._position : end]
        self._position += len(data)
        return data

    def _more(self) -> bool:
        data = self._zlib.unconsumed_tail
        if not data:
            data = os.pread(self._descriptor, _FLUSH, self._offset)
            self._offset += len(data)
        if not data or self._zlib.eof:
            return False
        try:
            piece = self._zlib.decompress(data, CHUNK)
        except zlib.error as error:
            raise TarError("layer skeleton is damaged") from error
        self._buffer = self._buffer[self._position :] + piece
        self._position = 0
        return True
