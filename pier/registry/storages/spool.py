"""Bytes that wait to be sent as one request: in memory while they are few, then in a file without a name."""

import base64
import hashlib
import os
import tempfile
from collections.abc import AsyncIterator
from typing import Final

from pier.registry.storages.disk import as_kinds
from pier.registry.threads import hop

_IN_MEMORY: Final = 256 << 10
_HOP: Final = 64 << 10
_PIECE: Final = 256 << 10


class Spool:
    """Grows by :meth:`append`; its bytes can be had any number of times, since a request may have to be repeated."""

    def __init__(self) -> None:
        self.size = 0
        self._pieces: list[bytes] = []
        self._descriptor = -1
        self._md5 = hashlib.md5(usedforsecurity=False)

    async def append(self, data: bytes) -> None:
        """Raises NoSpace where the folder of temporary files is full."""
        if len(data) < _HOP and self.size + len(data) <= _IN_MEMORY:
            self._append(data)
        else:
            await hop(None, self._append, data)

    @property
    def md5(self) -> str:
        """As the header ``Content-MD5`` wants it."""
        return base64.b64encode(self._md5.digest()).decode()

    async def content(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            yield piece
        offset = 0
        while self._descriptor >= 0 and offset < self.size:
            piece = await hop(None, self._read, offset)
            offset += len(piece)
            yield piece

    def close(self) -> None:
        """Forget all. Idempotent."""
        self._pieces = []
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _append(self, data: bytes) -> None:
        self._md5.update(data)
        self._pieces.append(data)
        self.size += len(data)
        if self.size > _IN_MEMORY:
            self._spill()

    def _spill(self) -> None:
        pieces, self._pieces = self._pieces, []
        with as_kinds():
            if self._descriptor < 0:
                with tempfile.TemporaryFile(buffering=0) as file:
                    self._descriptor = os.dup(file.fileno())
            for piece in pieces:
                view = memoryview(piece)
                while view:
                    view = view[os.write(self._descriptor, view) :]

    def _read(self, offset: int) -> bytes:
        with as_kinds():
            return os.pread(self._descriptor, _PIECE, offset)
