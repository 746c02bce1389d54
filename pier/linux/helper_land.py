"""Unpacking an archive (ADD) into a folder that holds something already: the root folder of this process.

What is there gives way, but for folders where the archive has folders too, and the root itself. Names that lead out
of the archive are taken as if its folder were the root of all, as tar(1) in a chroot(2) has them.
"""

import errno
import os
import shutil
import stat
from typing import Final

from pier.linux.helper_files import EntryError
from pier.linux.helper_meta import make_folders
from pier.linux.helper_tarheader import Header, TarError, clean
from pier.linux.helper_tarread import TarReader
from pier.linux.helper_untar import Unpacker

_IN_THE_WAY: Final = (errno.ENOENT, errno.ENOTDIR, errno.EEXIST, errno.ELOOP, errno.ENAMETOOLONG)


class Lander(Unpacker):
    """Unlike a layer's, the archive's own names for deleted files are names like others."""

    def __init__(self, reader: TarReader) -> None:
        super().__init__(reader, None, -1, whiteouts=False)

    def _path(self, name: bytes) -> bytes:
        parts: list[bytes] = []
        for part in name.split(b"/"):
            if part == b"..":
                del parts[-1:]
            else:
                parts.append(part)
        return clean(b"/".join(parts))

    def run(self) -> None:
        try:
            super().run()
        except EntryError as error:
            if error.errno not in _IN_THE_WAY:
                raise
            name = str(error.filename).strip('"').lstrip("/")
            raise TarError(f"open /{name}: {os.strerror(error.errno).lower()}") from error

    def _folder(self, header: Header, path: bytes) -> None:
        if path:
            if os.path.isdir(path):
                self._drain()
            super()._folder(header, path)

    def _need_folder(self, folder: bytes) -> None:
        """Have the overlay copy a folder of the base by itself: it sets the time of the one above back meanwhile."""
        if folder and folder not in self._present and os.path.isdir(folder):
            self._drain()
            os.chmod(folder, stat.S_IMODE(os.stat(folder).st_mode))
        super()._need_folder(folder)

    def _make_folders(self, folder: bytes) -> None:
        """A link that leads nowhere stays one: what is to be made below it fails."""
        if not os.path.lexists(folder):
            make_folders(folder)

    def _clear(self, path: bytes, status: os.stat_result, index: int | None) -> bool:
        self._present.clear()
        if stat.S_ISDIR(status.st_mode):
            shutil.rmtree(path)
        else:
            os.unlink(path)
        return False
