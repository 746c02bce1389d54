"""Deleting trees that strangers made: of any depth, with any names, immutable files among them."""

import errno
import fcntl
import os
import secrets
import stat
import struct
from contextlib import suppress
from pathlib import Path
from typing import Final

_DEEP: Final = 64
_FOLDER_FLAGS: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FS_IOC_GETFLAGS: Final = 0x80086601
_FS_IOC_SETFLAGS: Final = 0x40086602
_IMMUTABLE_OR_APPEND: Final = 0x10 | 0x20


def remove_tree(path: Path) -> None:
    """Delete ``path`` and all below it; nothing there is no error. Never follows a symlink.

    Folders deeper than a few dozen levels are moved up beside ``path`` and deleted from there, so neither a
    path's length nor the number of open descriptors limits the depth.
    """
    try:
        base = os.open(path.parent, _FOLDER_FLAGS)
    except FileNotFoundError:
        return
    try:
        remove_tree_at(base, os.fsencode(path.name))
    except FileNotFoundError:
        return
    finally:
        os.close(base)


def remove_tree_at(folder: int, name: bytes) -> None:
    """Delete ``name``, and all below it, in the folder of this descriptor."""
    pending = [name]
    while pending:
        _remove(folder, folder, pending.pop(), 0, pending)


def move_aside(path: Path, trash: Path) -> Path | None:
    """Rename ``path`` into the folder ``trash`` under a fresh name; None when it is not there."""
    target = trash / secrets.token_hex(8)
    try:
        os.rename(path, target)
    except FileNotFoundError:
        return None
    return target


def _remove(base: int, parent: int, name: bytes, depth: int, pending: list[bytes]) -> None:
    try:
        os.unlink(name, dir_fd=parent)
    except FileNotFoundError:
        return
    except OSError as error:
        if error.errno == errno.EPERM and not _is_folder(parent, name):
            _unlink_protected(parent, name)
        elif error.errno in (errno.EISDIR, errno.EPERM):
            _remove_folder(base, parent, name, depth, pending)
        else:
            raise


def _remove_folder(base: int, parent: int, name: bytes, depth: int, pending: list[bytes]) -> None:
    if depth >= _DEEP:
        shelter = b".pier-" + secrets.token_hex(8).encode()
        os.rename(name, shelter, src_dir_fd=parent, dst_dir_fd=base)
        pending.append(shelter)
        return
    folder = os.open(name, _FOLDER_FLAGS, dir_fd=parent)
    try:
        with os.scandir(folder) as entries:
            names = [os.fsencode(entry.name) for entry in entries]
        for inner in names:
            _remove(base, folder, inner, depth + 1, pending)
        try:
            os.rmdir(name, dir_fd=parent)
        except PermissionError:
            _unprotect(folder)
            _unprotect(parent)
            os.rmdir(name, dir_fd=parent)
    finally:
        os.close(folder)


def _is_folder(parent: int, name: bytes) -> bool:
    return stat.S_ISDIR(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode)


def _unlink_protected(parent: int, name: bytes) -> None:
    """Delete a file that chattr(1) made immutable, or that lies in a folder that is."""
    _unprotect(parent)
    with suppress(OSError):  # a symlink, a socket: cannot be opened and cannot be immutable
        file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=parent)
        try:
            _unprotect(file)
        finally:
            os.close(file)
    os.unlink(name, dir_fd=parent)


def _unprotect(descriptor: int) -> None:
    """ioctl_iflags(2): clear the immutable and append-only flags where the file system has them."""
    with suppress(OSError):
        (flags,) = struct.unpack("i", fcntl.ioctl(descriptor, _FS_IOC_GETFLAGS, b"\0" * 4))
        if flags & _IMMUTABLE_OR_APPEND:
            fcntl.ioctl(descriptor, _FS_IOC_SETFLAGS, struct.pack("i", flags & ~_IMMUTABLE_OR_APPEND))
