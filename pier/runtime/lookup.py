"""Looking into a root file system that a stranger made, for whom a process is to run as."""

import os
import stat
from pathlib import Path
from typing import Final

from pier.linux.files import open_in_root
from pier.runtime.accounts import Account, find_account

_LARGEST_TABLE: Final = 4 * 1024 * 1024


def account_in(root: Path, user: str, more_groups: tuple[str, ...] = ()) -> Account:
    """Look ``user`` up in the files below ``root``; see :func:`pier.runtime.accounts.find_account`."""
    return find_account(user, more_groups, _table(root, "/etc/passwd"), _table(root, "/etc/group"))


def _table(root: Path, path: str) -> str:
    """The text of a file that an image made: only a regular file, and only so much of it; else empty."""
    try:
        descriptor = open_in_root(root, path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError:
        return ""
    with open(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return ""
        return file.read(_LARGEST_TABLE).decode(errors="replace")
