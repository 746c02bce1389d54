"""Paths and file modes as ``docker cp`` and its API write them (pure)."""

import posixpath
import stat
from datetime import UTC, datetime
from typing import Final

import msgspec

from pier.linux.treecopy import PathFacts

_GO_KINDS: Final = {
    stat.S_IFDIR: 1 << 31,
    stat.S_IFLNK: 1 << 27,
    stat.S_IFBLK: 1 << 26,
    stat.S_IFCHR: 1 << 26 | 1 << 21,
    stat.S_IFIFO: 1 << 25,
    stat.S_IFSOCK: 1 << 24,
}
_GO_BITS: Final = {stat.S_ISUID: 1 << 23, stat.S_ISGID: 1 << 22, stat.S_ISVTX: 1 << 20}
_NANO: Final = 1_000_000_000


class PathStat(msgspec.Struct, frozen=True, rename={"link_target": "linkTarget"}):
    """The API's ``X-Docker-Container-Path-Stat``. ``mode`` has Go's bits (``os.FileMode``), not those of stat(2)."""

    name: str
    size: int
    mode: int
    mtime: str
    link_target: str


def absolute(path: str) -> str:
    """``path`` from the root, ``..`` and doubled slashes taken out as text; a last ``/`` or ``/.`` stays.

    They mean "what the link points to" and "what is in the folder".
    """
    clean = "/" + posixpath.normpath("/" + path).lstrip("/")
    if path.rsplit("/", 1)[-1] == ".":
        return clean.rstrip("/") + "/."
    if path.endswith("/") and clean != "/":
        return clean + "/"
    return clean


def shown_name(path: str) -> str:
    """What an absolute path is called in a stat or a tar: its last part; ``.`` and ``/`` as they are."""
    return path.rstrip("/").rpartition("/")[2] or "/"


def within(path: str, folder: str) -> bool:
    """Whether an absolute ``path`` is ``folder`` or lies below it, as text."""
    path, folder = posixpath.normpath(path), posixpath.normpath(folder)
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def path_stat(path: str, facts: PathFacts) -> PathStat:
    """``facts`` of the absolute ``path`` in the API's form."""
    return PathStat(shown_name(path), facts.size, go_mode(facts.mode), _rfc3339(facts.mtime_ns), facts.target)


def go_mode(mode: int) -> int:
    """st_mode as Go's os.FileMode."""
    bits = sum(theirs for ours, theirs in _GO_BITS.items() if mode & ours)
    return stat.S_IMODE(mode) & 0o777 | bits | _GO_KINDS.get(stat.S_IFMT(mode), 0)


def _rfc3339(nanoseconds: int) -> str:
    seconds, rest = divmod(nanoseconds, _NANO)
    text = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    fraction = f".{rest:09d}".rstrip("0") if rest else ""
    return f"{text}{fraction}Z"
