"""Hiding files of a folder that is not ours to change: whiteouts in an overlay's upper folder above it."""

import os
import stat
from pathlib import Path

from pier.oci.ignore import Matcher


def hide(lower: Path, upper: Path, excluded: tuple[str, ...]) -> None:
    """Fill the empty folder ``upper``, so that it hides what ``excluded`` (a .dockerignore) names. Blocks."""
    _like(upper, lower)
    if not excluded:
        return
    matcher = Matcher(excluded)
    stack = [""]
    while stack:
        folder = stack.pop()
        with os.scandir(lower / folder) as entries:
            for entry in entries:
                path = f"{folder}/{entry.name}" if folder else entry.name
                is_folder = entry.is_dir(follow_symlinks=False)
                if matcher.excludes(path, is_folder) and not (is_folder and matcher.may_contain_included(path)):
                    _white_out(lower, upper, path)
                elif is_folder:
                    stack.append(path)


def _white_out(lower: Path, upper: Path, path: str) -> None:
    _folders(lower, upper, os.path.dirname(path))
    os.mknod(upper / path, stat.S_IFCHR, 0)


def _folders(lower: Path, upper: Path, path: str) -> None:
    """``path`` in ``upper``, as it is in ``lower``: an overlay shows the upper one's owner and mode."""
    if path and not (upper / path).exists():
        _folders(lower, upper, os.path.dirname(path))
        (upper / path).mkdir()
        _like(upper / path, lower / path)


def _like(folder: Path, model: Path) -> None:
    status = model.stat()
    os.chown(folder, status.st_uid, status.st_gid)
    os.chmod(folder, stat.S_IMODE(status.st_mode))
