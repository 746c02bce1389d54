"""Extended attributes from an archive."""

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
