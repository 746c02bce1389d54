"""Modes as Go's ``os.FileMode`` has them, and as ``stat`` does (pure)."""

import stat
from functools import lru_cache
from typing import Final

_PERMISSIONS: Final = 0o777
_SETUID: Final = 1 << 23
_SETGID: Final = 1 << 22
_STICKY: Final = 1 << 20
_TYPE: Final = 1 << 31 | 1 << 27 | 1 << 26 | 1 << 25 | 1 << 24 | 1 << 21 | 1 << 19
_KINDS: Final = {
    stat.S_IFREG: 0,
    stat.S_IFDIR: 1 << 31,
    stat.S_IFLNK: 1 << 27,
    stat.S_IFBLK: 1 << 26,
    stat.S_IFCHR: 1 << 26 | 1 << 21,
    stat.S_IFIFO: 1 << 25,
    stat.S_IFSOCK: 1 << 24,
}
_FORMATS: Final = {kind: format for format, kind in _KINDS.items()}
_BITS: Final = ((_SETUID, stat.S_ISUID), (_SETGID, stat.S_ISGID), (_STICKY, stat.S_ISVTX))


def go_mode(mode: int) -> int:
    """``st_mode`` to ``os.FileMode``."""
    bits = sum(go for go, unix in _BITS if mode & unix)
    return _KINDS[stat.S_IFMT(mode)] | bits | mode & _PERMISSIONS


@lru_cache(256)
def unix_mode(mode: int) -> int:
    """``os.FileMode`` to ``st_mode``. Raises ValueError for a kind of file that there is not."""
    kind = mode & _TYPE
    if kind not in _FORMATS:
        raise ValueError(f"unknown kind of file in mode {mode:#o}")
    bits = sum(unix for go, unix in _BITS if mode & go)
    return _FORMATS[kind] | bits | mode & _PERMISSIONS
