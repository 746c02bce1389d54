"""Sealing: what tar an overlay's upper folder makes, and its skeleton; the files stay where they are."""

import os
import stat
from contextlib import suppress
from typing import Any

from pier.linux.helper_input import CHUNK
from pier.linux.helper_pack import Output, Packer
from pier.linux.helper_skeleton import Writer
from pier.linux.helper_tarheader import TarError


def seal(skeleton: int, prefix: bytes) -> dict[str, Any]:
    """``skeleton``: an empty file's descriptor. ``prefix``: as :class:`Packer` has it.

    Sockets, which no tar holds, are removed. Returns ``diff_id``, ``tar_size`` and ``size`` (bytes of the files).
    """
    writer = Writer(skeleton)
    output = _Unwritten(writer)
    sealer = _Sealer(output, writer, prefix)
    sealer.run(with_root=False)
    writer.finish(output.size)
    return {"diff_id": output.digest, "tar_size": output.size, "size": sealer.size}


class _Unwritten(Output):
    """Hashed; all but the files' contents goes into the skeleton."""

    def __init__(self, skeleton: Writer) -> None:
        super().__init__(-1)
        self._skeleton = skeleton

    def write(self, data: bytes) -> None:
        self._skeleton.raw(data)
        super().write(data)

    def copy(self, descriptor: int, size: int) -> None:
        self.flush()
        while size:
            count = os.readv(descriptor, [self._buffer[: min(size, CHUNK)]])
            if not count:
                raise TarError("a file became shorter while it was read")
            self._put(self._buffer[:count])
            size -= count

    def _put(self, data: memoryview) -> None:
        assert self._sha is not None
        self._sha.update(data)
        self.size += len(data)


class _Sealer(Packer):
    def __init__(self, output: _Unwritten, skeleton: Writer, prefix: bytes) -> None:
        super().__init__(output, True, prefix)
        self._skeleton = skeleton
        self.size = 0

    def _add(self, name: bytes, path: bytes, status: os.stat_result) -> None:
        if stat.S_ISSOCK(status.st_mode):
            with suppress(FileNotFoundError):
                os.unlink(self._prefix + path)
            return
        super()._add(name, path, status)

    def _content(self, path: bytes, descriptor: int, size: int) -> None:
        self._skeleton.file(path, size)
        self.size += size
        super()._content(path, descriptor, size)
