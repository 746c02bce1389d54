"""What a container changed: its overlay's upper folder held against the view below it.

A container may be running and rearranging the folder while it is read: every step goes from one open folder
to the next, symlinks are never followed.
"""

import os
import stat
from typing import Final

from pier.errors import DataCorrupted
from pier.linux.files import is_opaque, is_whiteout
from pier.snapshots.snapshotter import Change, ChangeKind

_FLAGS: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_DEEPEST: Final = 400


def changes(upper: int, lower: int) -> list[Change]:
    """Compare the folders behind two descriptors; sorted by path, by Docker's rules:

    a folder is listed when it differs itself or when a name in it came or went, and an opaque folder that
    hides one below is listed as deleted, its content as added.
    """
    found: dict[str, ChangeKind] = {}
    _compare(upper, lower, "", found, 0)
    return [Change(found[path], path) for path in sorted(found)]


def _compare(upper: int, lower: int | None, prefix: str, found: dict[str, ChangeKind], depth: int) -> None:
    if depth > _DEEPEST:
        raise DataCorrupted(f"{prefix[:80]}... is more than {_DEEPEST} folders deep")
    for name in os.listdir(upper):
        try:
            status = os.stat(name, dir_fd=upper, follow_symlinks=False)
        except FileNotFoundError:
            continue
        kind = _kind(upper, lower, name, status)
        path = f"{prefix}/{name}"
        if kind is not None:
            found[path] = kind
            if kind != ChangeKind.MODIFIED and prefix:
                found.setdefault(prefix, ChangeKind.MODIFIED)
        if stat.S_ISDIR(status.st_mode):
            _descend(upper, None if kind == ChangeKind.DELETED else lower, name, path, found, depth)


def _descend(upper: int, lower: int | None, name: str, path: str, found: dict[str, ChangeKind], depth: int) -> None:
    inner = _open(upper, name)
    if inner is None:
        return
    below = None if lower is None else _open(lower, name)
    try:
        _compare(inner, below, path, found, depth + 1)
    finally:
        os.close(inner)
        if below is not None:
            os.close(below)


def _open(folder: int, name: str) -> int | None:
    try:
        return os.open(name, _FLAGS, dir_fd=folder)
    except (FileNotFoundError, NotADirectoryError):
        return None


def _kind(upper: int, lower: int | None, name: str, status: os.stat_result) -> ChangeKind | None:
    if is_whiteout(status):
        return ChangeKind.DELETED
    before = None if lower is None else _status(lower, name)
    if before is None:
        return ChangeKind.ADDED
    if stat.S_ISDIR(status.st_mode):
        if _opaque(upper, name):
            return ChangeKind.DELETED
        if stat.S_ISDIR(before.st_mode) and _same(status, before):
            return None
    return ChangeKind.MODIFIED


def _status(folder: int, name: str) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None


def _opaque(folder: int, name: str) -> bool:
    inner = _open(folder, name)
    if inner is None:
        return False
    try:
        return is_opaque(inner)
    finally:
        os.close(inner)


def _same(status: os.stat_result, before: os.stat_result) -> bool:
    return (status.st_mode, status.st_mtime_ns, status.st_uid, status.st_gid) == (
        before.st_mode,
        before.st_mtime_ns,
        before.st_uid,
        before.st_gid,
    )
