"""The init layer: mount points that every container needs, between its image and its own files.

They are made in the merged view of the image, resolved as inside the container: an image's own symlinks at
these places are honoured and lead nowhere outside.
"""

import errno
import os
import posixpath
from typing import Final

from pier.linux.files import open_in_root

_FOLDERS: Final = ("/dev/pts", "/dev/shm", "/proc", "/sys")
_FILES: Final = ("/.dockerenv", "/etc/resolv.conf", "/etc/hosts", "/etc/hostname", "/dev/console")
_LINKS: Final = (("/etc/mtab", "/proc/mounts"),)
_FOLLOW: Final = 20
_NOT_THERE: Final = (errno.ENOENT,)
_IN_THE_WAY: Final = (errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG)


def populate(root: int) -> None:
    """Make what is missing below ``root``, a descriptor of a mounted root folder."""
    for path in _FOLDERS:
        _make(root, path, "folder", "")
    for path in _FILES:
        _make(root, path, "file", "")
    for path, target in _LINKS:
        _make(root, path, "link", target)


def _make(root: int, path: str, kind: str, target: str) -> None:
    """Make one mount point; where the image has something else in the way, it is left alone."""
    for _ in range(_FOLLOW):
        if _exists(root, path):
            return
        parent, name = posixpath.split(path)
        folder = _folder(root, parent)
        if folder is None:
            return
        try:
            _make_at(folder, name, kind, target)
            return
        except FileExistsError:
            path = posixpath.normpath(posixpath.join(parent, os.readlink(name, dir_fd=folder)))
        finally:
            os.close(folder)


def _make_at(folder: int, name: str, kind: str, target: str) -> None:
    if kind == "folder":
        os.mkdir(name, 0o755, dir_fd=folder)
    elif kind == "link":
        os.symlink(target, name, dir_fd=folder)
    else:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        os.close(os.open(name, flags, 0o755, dir_fd=folder))


def _exists(root: int, path: str) -> bool:
    try:
        os.close(open_in_root(root, path, os.O_PATH))
    except OSError as error:
        if error.errno in _IN_THE_WAY:
            return True
        if error.errno not in _NOT_THERE:
            raise
        return False
    return True


def _folder(root: int, path: str) -> int | None:
    """A descriptor of the folder ``path``, made with its parents where it is missing; None: something is in the way."""
    try:
        return open_in_root(root, path, os.O_PATH | os.O_DIRECTORY)
    except OSError as error:
        if error.errno in _IN_THE_WAY:
            return None
        if error.errno not in _NOT_THERE:
            raise
    parent, name = posixpath.split(path)
    above = _folder(root, parent)
    if above is None:
        return None
    try:
        os.mkdir(name, 0o755, dir_fd=above)
        return os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=above)
    except FileExistsError:
        return None
    finally:
        os.close(above)
