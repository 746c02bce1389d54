"""What a container changed: its overlay's upper folder held against the view below it.

A container may be running and rearranging the folder while it is read: every step goes from one open folder
to the next, symlinks are never followed.
"""

import os
import stat
from dataclasses import dataclass
from typing import Final

from pier.errors import DataCorrupted
from pier.linux.files import is_opaque, is_whiteout
from pier.snapshots.snapshotter import Change, ChangeKind

_FLAGS: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_DEEPEST: Final = 200


def changes(upper: int, lower: int) -> list[Change]:
    """Compare the folders behind two descriptors; sorted by path, by Docker's rules:

    a folder is listed when its owner or mode differ or when anything below it is listed, a file when its
    metadata differ, and of what was deleted only the top.
    """
    found: dict[str, ChangeKind] = {}
    _compare(_Pair(upper, lower, ""), found)
    return [Change(found[path], path) for path in sorted(found)]


@dataclass(frozen=True, slots=True)
class _Pair:
    """One folder in both views. ``hidden``: nothing of ``lower`` shows through, an opaque folder is above."""

    upper: int
    lower: int | None
    path: str
    depth: int = 0
    hidden: bool = False


def _compare(pair: _Pair, found: dict[str, ChangeKind]) -> None:
    if pair.depth > _DEEPEST:
        raise DataCorrupted(f"{pair.path[:80]}... is more than {_DEEPEST} folders deep")
    before = len(found)
    names = os.listdir(pair.upper)
    for name in names:
        _entry(pair, name, found)
    if pair.hidden and pair.lower is not None:
        for name in set(os.listdir(pair.lower)).difference(names):
            found[f"{pair.path}/{name}"] = ChangeKind.DELETED
    if pair.path and len(found) > before:
        found.setdefault(pair.path, ChangeKind.MODIFIED)


def _entry(pair: _Pair, name: str, found: dict[str, ChangeKind]) -> None:
    status = _status(pair.upper, name)
    if status is None:
        return
    path = f"{pair.path}/{name}"
    before = None if pair.lower is None else _status(pair.lower, name)
    if is_whiteout(status):
        found[path] = ChangeKind.DELETED
    elif before is None:
        found[path] = ChangeKind.ADDED
    elif not _same(status, before):
        found[path] = ChangeKind.MODIFIED
    if stat.S_ISDIR(status.st_mode):
        _descend(pair, name, path, found)


def _descend(pair: _Pair, name: str, path: str, found: dict[str, ChangeKind]) -> None:
    upper = _open(pair.upper, name)
    if upper is None:
        return
    lower = None if pair.lower is None else _open(pair.lower, name)
    try:
        _compare(_Pair(upper, lower, path, pair.depth + 1, pair.hidden or is_opaque(upper)), found)
    finally:
        os.close(upper)
        if lower is not None:
            os.close(lower)


def _open(folder: int, name: str) -> int | None:
    try:
        return os.open(name, _FLAGS, dir_fd=folder)
    except (FileNotFoundError, NotADirectoryError):
        return None


def _status(folder: int, name: str) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None


def _same(status: os.stat_result, before: os.stat_result) -> bool:
    metadata = (status.st_mode, status.st_uid, status.st_gid, status.st_rdev)
    if metadata != (before.st_mode, before.st_uid, before.st_gid, before.st_rdev):
        return False
    if stat.S_ISDIR(status.st_mode):
        return True
    return (status.st_size, status.st_mtime_ns) == (before.st_size, before.st_mtime_ns)
