"""Copying files between two trees, folder by folder: the part that costs time, in a helper or in a thread.

Both trees are given as descriptors, and every folder in them is opened inside them (openat2(2)), without links: no path
leads out. What lies below an opened folder is named relative to it.
"""

import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Final

from pier.linux.files import open_in_root

FILE: Final = 0
SYMLINK: Final = 1
NODE: Final = 2

Item = tuple[int, str, str, int, int, int, int, int]
"""Kind, name there, name here, mode (st_mode), owner, group, time of modification (ns), size (device of a node)."""

Group = tuple[str, str, list[Item]]
"""The folder there, the folder here, both below their roots and without links, and what goes from one to the other."""

_WHOLE: Final = 1 << 20
_NOT_THEIRS: Final = ("trusted.overlay.", "system.", "security.selinux")
_CREATE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_READ: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def transfer(source: int, target: int, groups: Iterable[Group], *, xattrs: str) -> None:
    """Copy all. What is in the way is replaced, but for a folder. Raises OSError with the path in the target.

    ``xattrs``: what the names of the extended attributes that are copied begin with.
    """
    for there, here, items in groups:
        with _folder(source, there) as from_, _folder(target, here) as to:
            for item in items:
                try:
                    _copy(from_, to, item, xattrs)
                except OSError as error:
                    raise OSError(error.errno, error.strerror, f"{here}/{item[2]}".lstrip("/")) from error


@contextmanager
def _folder(root: int, path: str) -> Iterator[int]:
    descriptor = open_in_root(root, path, os.O_RDONLY | os.O_DIRECTORY, follow=False)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _copy(from_: int, to: int, item: Item, xattrs: str) -> None:
    kind, there, here, mode, owner, group, modified, size = item
    if kind == FILE:
        _file(from_, to, item, xattrs)
        return
    with suppress(FileNotFoundError):
        os.unlink(here, dir_fd=to)
    if kind == SYMLINK:
        os.symlink(os.readlink(there, dir_fd=from_), here, dir_fd=to)
    else:
        os.mknod(here, mode, size, dir_fd=to)
    os.chown(here, owner, group, dir_fd=to, follow_symlinks=False)
    if kind == NODE:
        os.chmod(here, stat.S_IMODE(mode), dir_fd=to)
    os.utime(here, ns=(modified, modified), dir_fd=to, follow_symlinks=False)


def _file(from_: int, to: int, item: Item, xattrs: str) -> None:
    _, there, here, mode, owner, group, modified, size = item
    source = os.open(there, _READ, dir_fd=from_)
    try:
        target = _create(to, here)
        try:
            if size <= _WHOLE:
                _small(source, target)
            else:
                _large(source, target)
            if owner or group:
                os.fchown(target, owner, group)
            os.fchmod(target, stat.S_IMODE(mode))
            copy_xattrs(source, target, xattrs)
            os.utime(target, ns=(modified, modified))
        finally:
            os.close(target)
    finally:
        os.close(source)


def _create(folder: int, name: str) -> int:
    try:
        return os.open(name, _CREATE, 0o600, dir_fd=folder)
    except FileExistsError:
        os.unlink(name, dir_fd=folder)
        return os.open(name, _CREATE, 0o600, dir_fd=folder)


def _small(source: int, target: int) -> None:
    while data := os.read(source, _WHOLE + 1):
        _write(target, data)
        if len(data) <= _WHOLE:
            return


def _write(target: int, data: bytes) -> None:
    written = os.write(target, data)
    while written < len(data):
        written += os.write(target, memoryview(data)[written:])


def _large(source: int, target: int) -> None:
    """Keeps holes."""
    end, offset = os.fstat(source).st_size, 0
    while offset < end:
        try:
            offset = os.lseek(source, offset, os.SEEK_DATA)
        except OSError:  # ENXIO: only a hole is left
            break
        hole = os.lseek(source, offset, os.SEEK_HOLE)
        os.lseek(source, offset, os.SEEK_SET)
        os.lseek(target, offset, os.SEEK_SET)
        while offset < hole:
            sent = os.sendfile(target, source, offset, min(hole - offset, 1 << 30))
            if not sent:
                break
            offset += sent
        else:
            continue
        break
    os.ftruncate(target, end)


def copy_xattrs(source: int, target: int, beginning: str) -> None:
    """Those whose names begin so, as far as the target takes them."""
    for name in os.listxattr(source):
        if name.startswith(beginning) and not name.startswith(_NOT_THEIRS):
            with suppress(OSError):
                os.setxattr(target, name, os.getxattr(source, name))
