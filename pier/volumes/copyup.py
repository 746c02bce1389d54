"""Copy-up: a new volume begins with what the image has at the place where it is mounted.

The image is a stranger's: the place is opened inside ``rootfs`` whatever links lead to it, and from
there on every step is relative to an open folder and follows no link.
"""

import errno
import os
import stat
from pathlib import Path
from typing import Final

from pier.errors import DataCorrupted, NoSpace
from pier.linux.files import open_in_root

_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_DEEPEST: Final = 200
_CHUNK: Final = 1 << 24
_OURS: Final = "trusted.overlay."
_NO_FOLDER: Final = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG)
_NO_XATTRS: Final = (errno.ENOTSUP, errno.EPERM)


def copy_up(rootfs: Path, destination: str, data: Path) -> bool:
    """Fill the empty folder ``data`` from ``destination`` in ``rootfs``; True where that is a folder.

    Owner, mode, times, xattrs and links are kept, of the folder itself too; sockets are left out.
    Nothing happens where ``data`` is not empty or ``destination`` is not a folder. Blocks. Raises
    NoSpace; DataCorrupted for folders too deep to be meant.
    """
    target = os.open(data, _FOLDER)
    try:
        if os.listdir(target):
            return False
        try:
            source = open_in_root(rootfs, destination, os.O_RDONLY | os.O_DIRECTORY)
        except OSError as error:
            if error.errno in _NO_FOLDER:
                return False
            raise
        try:
            _Copy(data).folder(source, target, ".", 0)
        finally:
            os.close(source)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise NoSpace(f"no space left on device: cannot copy {destination} of the image into the volume") from error
    finally:
        os.close(target)
    return True


class _Copy:
    """One copy into the folder ``data``; remembers the first name of each file that has several."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._first_names: dict[tuple[int, int], str] = {}

    def folder(self, source: int, target: int, path: str, depth: int) -> None:
        """Copy what is in the open folder ``source`` into ``target``, then make ``target`` look like it."""
        if depth > _DEEPEST:
            raise DataCorrupted(f"the image's folders are nested deeper than {_DEEPEST}")
        with os.scandir(source) as entries:
            names = [entry.name for entry in entries]
        for name in names:
            self._entry(source, target, name, f"{path}/{name}", depth)
        _dress(source, target, os.fstat(source))

    def _entry(self, source: int, target: int, name: str, path: str, depth: int) -> None:
        status = os.stat(name, dir_fd=source, follow_symlinks=False)
        kind = stat.S_IFMT(status.st_mode)
        if kind == stat.S_IFDIR:
            self._subfolder(source, target, name, path, depth)
        elif self._linked(target, name, path, status):
            return
        elif kind == stat.S_IFREG:
            _file(source, target, name, status)
        elif kind == stat.S_IFLNK:
            os.symlink(os.readlink(name, dir_fd=source), name, dir_fd=target)
            _dress_by_name(target, name, status)
        elif kind in (stat.S_IFIFO, stat.S_IFCHR, stat.S_IFBLK):
            os.mknod(name, status.st_mode, status.st_rdev, dir_fd=target)
            _dress_by_name(target, name, status)
            _set_mode(target, name, stat.S_IMODE(status.st_mode))

    def _subfolder(self, source: int, target: int, name: str, path: str, depth: int) -> None:
        os.mkdir(name, 0o700, dir_fd=target)
        inner_source = os.open(name, _FOLDER, dir_fd=source)
        try:
            inner_target = os.open(name, _FOLDER, dir_fd=target)
            try:
                self.folder(inner_source, inner_target, path, depth + 1)
            finally:
                os.close(inner_target)
        finally:
            os.close(inner_source)

    def _linked(self, target: int, name: str, path: str, status: os.stat_result) -> bool:
        """Make a further name of a file that is there already."""
        if status.st_nlink < 2:
            return False
        first = self._first_names.setdefault((status.st_dev, status.st_ino), path)
        if first == path:
            return False
        parent, _, first_name = first.rpartition("/")
        folder = open_in_root(self._data, parent, os.O_RDONLY | os.O_DIRECTORY, follow=False)
        try:
            os.link(first_name, name, src_dir_fd=folder, dst_dir_fd=target, follow_symlinks=False)
        finally:
            os.close(folder)
        return True


def _file(source: int, target: int, name: str, status: os.stat_result) -> None:
    reader = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=source)
    try:
        writer = os.open(
            name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=target
        )
        try:
            _pour(reader, writer)
            _dress(reader, writer, status)
        finally:
            os.close(writer)
    finally:
        os.close(reader)


def _pour(reader: int, writer: int) -> None:
    """sendfile(2): in the kernel, between any two file systems."""
    offset = 0
    while sent := os.sendfile(writer, reader, offset, _CHUNK):
        offset += sent


def _dress(source: int, target: int, status: os.stat_result) -> None:
    """Owner first, for a change of owner takes away set-id bits and capabilities; times last."""
    os.fchown(target, status.st_uid, status.st_gid)
    os.fchmod(target, stat.S_IMODE(status.st_mode))
    for name in _xattrs(source):
        try:
            os.setxattr(target, name, os.getxattr(source, name))
        except OSError as error:
            if error.errno not in _NO_XATTRS:
                raise
    os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))


def _xattrs(source: int) -> list[str]:
    try:
        return [name for name in os.listxattr(source) if not name.startswith(_OURS)]
    except OSError as error:
        if error.errno in _NO_XATTRS:
            return []
        raise


def _dress_by_name(folder: int, name: str, status: os.stat_result) -> None:
    os.chown(name, status.st_uid, status.st_gid, dir_fd=folder, follow_symlinks=False)
    os.utime(name, ns=(status.st_atime_ns, status.st_mtime_ns), dir_fd=folder, follow_symlinks=False)


def _set_mode(folder: int, name: str, mode: int) -> None:
    """chmod(2) follows links, and a container that has the volume too may have put one there: by descriptor."""
    descriptor = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    try:
        if not stat.S_ISLNK(os.fstat(descriptor).st_mode):
            os.chmod(f"/proc/self/fd/{descriptor}", mode)
    finally:
        os.close(descriptor)
