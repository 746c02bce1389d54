"""Folders and extended attributes that an archive implies or asks for."""

import errno
import os
from typing import Final

_NOT_THEIRS: Final = (b"trusted.overlay.", b"user.overlay.")


def set_xattr(target: bytes | int, name: bytes, value: bytes) -> None:
    """Set it without following a symlink.

    What the file system or the kind of file does not take is left out, as Docker does; what would steer the
    overlay itself is never an archive's to say.
    """
    if name.startswith(_NOT_THEIRS):
        return
    try:
        os.setxattr(target, name, value, follow_symlinks=isinstance(target, int))
    except OSError as error:
        if error.errno not in (errno.ENOTSUP, errno.EPERM):
            raise


def make_folders(path: bytes) -> None:
    """Make the folder ``path`` and those above it, all 0755; FileExistsError where something else is there.

    os.makedirs gives only the last one its mode, and this process has no umask.
    """
    parts = path.split(b"/")
    for count in range(1, len(parts) + 1):
        folder = b"/".join(parts[:count])
        try:
            os.mkdir(folder, 0o755)
        except FileExistsError:
            if not os.path.isdir(folder):
                raise
