"""Unpacking one layer's tar into the root folder of this process (it has called chroot(2)).

Names are those of strangers, but nothing can be reached outside the root, no existing file is opened, and
no final symlink followed. Whiteouts become the overlay's own: a character device 0/0 for a deleted name, an
xattr for an opaque folder. Files are written by workers (``helper_files``); all else happens here, in order.
"""

import errno
import os
import stat
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Final

from pier.linux import helper_files
from pier.linux.helper_files import EntryError, FileWriter, Job
from pier.linux.helper_input import CHUNK, write_all
from pier.linux.helper_meta import make_folders, set_xattr
from pier.linux.helper_skeleton import Writer
from pier.linux.helper_tarheader import (
    FOLDER,
    GNU_SPARSE,
    LINK,
    NODES,
    REGULAR,
    SYMLINK,
    Header,
    TarError,
    clean,
    printable,
)
from pier.linux.helper_tarread import TarReader

WHITEOUT: Final = b".wh."
OPAQUE: Final = b".wh..wh..opq"
OPAQUE_XATTR: Final = b"trusted.overlay.opaque"
_META: Final = b".wh..wh."


class Unpacker:
    """``replaced`` is a descriptor of a folder outside the root that takes what a later entry replaces."""

    def __init__(self, reader: TarReader, skeleton: Writer | None, replaced: int, whiteouts: bool = True) -> None:
        self._reader = reader
        self._skeleton = skeleton
        self._replaced = replaced
        self._whiteouts = whiteouts
        self._moved = 0
        self._folders: dict[bytes, int] = {}
        self._files = FileWriter()
        self._queued: set[bytes] = set()
        self._present: set[bytes] = set()
        self._draining = False
        self.size = 0

    def run(self) -> None:
        """Unpack all. Raises TarError, or OSError with the name."""
        os.umask(0)
        try:
            for header in self._reader.entries():
                self._one(header, self._path(header.name))
            self._drain()
        finally:
            self._files.close()
        for path, mtime in reversed(self._folders.items()):
            with suppress(FileNotFoundError, NotADirectoryError):  # replaced by a later entry
                os.utime(path, ns=(mtime, mtime), follow_symlinks=False)

    def _path(self, name: bytes) -> bytes:
        return clean(name)

    def _one(self, header: Header, path: bytes) -> None:
        try:
            if path in self._queued:
                self._drain()
            folder, _, base = path.rpartition(b"/")
            if self._whiteouts and base.startswith(WHITEOUT):
                self._whiteout(header, folder, base)
            else:
                self._entry(header, path)
        except EntryError:
            raise
        except OSError as error:
            raise EntryError.of(error, header) from error

    def _entry(self, header: Header, path: bytes) -> None:
        if not path and header.kind != FOLDER:
            raise TarError(f"invalid name {printable(header.name)} of an entry that is no folder")
        if header.kind == REGULAR or header.kind == GNU_SPARSE:
            self._regular(header, path)
        elif header.kind == FOLDER:
            self._folder(header, path)
        elif header.kind == SYMLINK:
            self._place(path, lambda: os.symlink(header.link, path))
            self.size += len(header.link)
            self._describe(header, path)
            os.utime(path, ns=(header.mtime, header.mtime), follow_symlinks=False)
        elif header.kind == LINK:
            self._link(header, path)
        elif header.kind in NODES:
            self._node(header, path)
        else:
            raise TarError(f"unhandled tar header type {header.kind[0]}")

    def _regular(self, header: Header, path: bytes) -> None:
        if header.kind == GNU_SPARSE or header.sparse:
            self._large(header, path, self._sparse)
            return
        index = self._skeleton.files if self._skeleton is not None else 0
        if self._skeleton is not None and header.size:
            self._skeleton.file(path, header.size)
        self.size += header.size
        if not helper_files.fits(header.size):
            self._large(header, path, self._pieces, index)
            return
        parts: list[bytes] = []
        self._reader.content(header.size, lambda data: parts.append(bytes(data)))
        self._need_folder(path.rpartition(b"/")[0])
        self._queued.add(path)
        self._files.put(Job(path, header, parts[0] if len(parts) == 1 else b"".join(parts), index))

    def _need_folder(self, folder: bytes) -> None:
        """Make the folder of a file before the file is queued: what comes next may be put in its place."""
        if folder and folder not in self._present:
            if not os.path.isdir(folder):
                self._drain()
                self._make_folders(folder)
            self._present.add(folder)

    def _make_folders(self, folder: bytes) -> None:
        try:
            make_folders(folder)
        except FileExistsError as error:
            raise NotADirectoryError(errno.ENOTDIR, f"not a directory: {printable(folder)}") from error

    def _large(
        self, header: Header, path: bytes, write: Callable[[Header, int], None], index: int | None = None
    ) -> None:
        descriptor = self._place(path, lambda: helper_files.create(path, header), index=index)
        try:
            write(header, descriptor)
            self._drain()
            helper_files.finish(descriptor, header)
        finally:
            os.close(descriptor)

    def _pieces(self, header: Header, descriptor: int) -> None:
        offset = 0

        def piece(data: memoryview) -> None:
            nonlocal offset
            self._files.put(Job(b"", header, bytes(data), 0, descriptor, offset))
            offset += len(data)

        self._reader.content(header.size, piece)

    def _sparse(self, header: Header, descriptor: int) -> None:
        """The stored bytes go into the skeleton as they are: sparse files are rare and small."""
        for offset, length in self._reader.sparse_map(header):
            os.lseek(descriptor, offset, os.SEEK_SET)
            while length:
                data = self._reader.raw(min(length, CHUNK))
                write_all(descriptor, data)
                length -= len(data)
        os.ftruncate(descriptor, header.real_size)
        self.size += header.real_size

    def _drain(self) -> None:
        """Wait for the workers, and do what they could not: files without a folder, or where something was."""
        self._queued.clear()
        self._draining = True
        for job in self._files.drain():
            try:
                self._place(job.path, partial(helper_files.make, job), index=job.index)
            except OSError as error:
                raise EntryError.of(error, job.header) from error
        self._draining = False

    def _folder(self, header: Header, path: bytes) -> None:
        if path:
            self._place(path, lambda: os.mkdir(path, 0o700), folder=True)
        path = path or b"."
        self._describe(header, path)
        os.chmod(path, header.mode)
        self._folders[path] = header.mtime

    def _link(self, header: Header, path: bytes) -> None:
        target = self._path(header.link)
        if target == path:
            return
        self._drain()
        try:
            self._place(path, lambda: os.link(target, path, follow_symlinks=False))
        except FileNotFoundError as error:
            raise TarError(f"hard link {printable(header.name)} to {printable(header.link)}: no such file") from error

    def _node(self, header: Header, path: bytes) -> None:
        mode, device = NODES[header.kind] | header.mode, header.device()
        self._place(path, lambda: os.mknod(path, mode, device))
        self._describe(header, path)
        os.chmod(path, header.mode)
        os.utime(path, ns=(header.mtime, header.mtime), follow_symlinks=False)

    def _describe(self, header: Header, path: bytes) -> None:
        os.chown(path, header.uid, header.gid, follow_symlinks=False)
        for name, value in header.xattrs.items():
            set_xattr(path, name, value)

    def _place(
        self, path: bytes, make: Callable[[], int | None], *, folder: bool = False, index: int | None = None
    ) -> int:
        """``make()`` something at ``path``: its parents first, in the place of what an earlier entry put there.

        ``index``: of the FILE record that it is, for the skeleton, where that is not the next one.
        """
        try:
            return make() or 0
        except FileNotFoundError:
            if not os.path.dirname(path):
                raise
            self._make_folders(os.path.dirname(path))
            return make() or 0
        except FileExistsError:
            status = os.lstat(path)
        if folder and stat.S_ISDIR(status.st_mode):
            return 0
        if not self._draining:
            self._drain()
        hides = self._clear(path, status, index)
        made = make() or 0
        if hides and folder:
            os.setxattr(path, OPAQUE_XATTR, b"y")
        return made

    def _clear(self, path: bytes, status: os.stat_result, index: int | None) -> bool:
        """Take away what is at ``path``; returns whether it was a whiteout."""
        self._present.clear()
        if stat.S_ISDIR(status.st_mode) or (stat.S_ISREG(status.st_mode) and status.st_size):
            os.rename(path, str(self._moved), dst_dir_fd=self._replaced)
            self._moved += 1
            self.size -= status.st_size if stat.S_ISREG(status.st_mode) else 0
            if self._skeleton is not None:
                self._skeleton.moved(path, index)
            return False
        os.unlink(path)
        return stat.S_ISCHR(status.st_mode) and status.st_rdev == 0

    def _whiteout(self, header: Header, folder: bytes, base: bytes) -> None:
        left = header.size
        while left:
            left -= len(self._reader.raw(min(left, CHUNK)))
        if base == OPAQUE:
            make_folders(folder or b".")
            os.setxattr(folder or b".", OPAQUE_XATTR, b"y", follow_symlinks=False)
        elif not base.startswith(_META):
            name = base[len(WHITEOUT) :]
            if name in (b"", b".", b".."):
                raise TarError(f"invalid whiteout {printable(header.name)}")
            self._hide(header, os.path.join(folder, name))

    def _hide(self, header: Header, path: bytes) -> None:
        """Hide what layers below have at ``path``; what this layer has there, whiteouts do not touch."""
        if path in self._queued:
            return
        try:
            os.mknod(path, stat.S_IFCHR, 0)
        except FileNotFoundError:
            make_folders(os.path.dirname(path))
            os.mknod(path, stat.S_IFCHR, 0)
        except FileExistsError:
            if stat.S_ISDIR(os.lstat(path).st_mode):
                os.setxattr(path, OPAQUE_XATTR, b"y", follow_symlinks=False)
            return
        os.chown(path, header.uid, header.gid, follow_symlinks=False)
