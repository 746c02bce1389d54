"""The digest of what a selector picks: where it lands, what it is, and what it holds; never when it was written."""

import hashlib
import os
import stat
import time
from typing import Final

from pier.build.context.files import Selector
from pier.build.context.select import Found, find, skipping, walk
from pier.build.context.statcache import NOT_TRUSTED, Facts, Known
from pier.linux.files import open_in_root
from pier.oci.ignore import Matcher

_WHOLE: Final = 4 << 20
_TICK: Final = 50_000_000
_XATTRS: Final = ("user.", "security.capability", "trusted.")


def digest(root: int, selector: Selector, ignored: Matcher | None, known: Known | None, *, owned: bool) -> str:
    """``owned``: owners and extended attributes count (a root file system's; a context has none).

    ``known`` is brought up to date where given. Raises NotFound. Blocks: a walk, and the files that are not known.
    """
    began = time.time_ns()
    excluded = Matcher(selector.exclude) if selector.exclude else None
    tops: list[tuple[Found, dict[str, os.stat_result]]] = []
    for pattern in selector.patterns:
        for found in find(root, pattern, ignored, deep=selector.parents):
            below = walk(root, found, skipping(found, ignored, excluded)) if found.is_folder else {}
            tops.append((found, below))
    facts = {
        f"{number}/{path}": _facts(status)
        for number, (found, below) in enumerate(tops)
        for path, status in ({"": found.status} | below).items()
    }
    if known is not None and known.facts == facts:
        return known.combined
    hashing = _Hashing(root, known or Known(), owned)
    for number, (found, below) in enumerate(tops):
        hashing.top(number, found, below, selector.parents)
    combined = hashing.combined()
    if known is not None:
        known.digests = hashing.digests
        known.facts = {path: _trusted(each, began) for path, each in facts.items()}
        known.combined = combined
    return combined


def _facts(status: os.stat_result) -> Facts:
    return (status.st_mode, status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)


def _trusted(facts: Facts, began: int) -> Facts:
    """A file written in the very tick in which it was read may change without its times telling."""
    return facts if max(facts[2], facts[3]) < began - _TICK else NOT_TRUSTED


class _Hashing:
    def __init__(self, root: int, known: Known, owned: bool) -> None:
        self._root = root
        self._known = known
        self._owned = owned
        self._lines: list[bytes] = []
        self.digests: dict[str, bytes] = {}

    def top(self, number: int, found: Found, below: dict[str, os.stat_result], parents: bool) -> None:
        landing = found.anchor if parents else found.name if not found.is_folder else ""
        entries = below if found.is_folder else {"": found.status}
        self._lines.append(f"{len(entries)}\0{found.is_folder}\0{landing}\0".encode(errors="surrogateescape"))
        if found.is_folder and (found.path or self._owned):
            self._lines.append(self._told(found.status))
        for path in sorted(entries):
            self._entry(number, found.path, path, entries[path])

    def combined(self) -> str:
        return "sha256:" + hashlib.sha256(b"\n".join(self._lines)).hexdigest()

    def _entry(self, number: int, top: str, path: str, status: os.stat_result) -> None:
        where = "/".join(part for part in (top, path) if part)
        if stat.S_ISREG(status.st_mode):
            held = self._content(f"{number}/{path}", where, status)
        elif stat.S_ISLNK(status.st_mode):
            held = os.fsencode(self._link(where))
        else:
            held = b"%d" % status.st_rdev
        extra = self._xattrs(where) if self._owned and not stat.S_ISLNK(status.st_mode) else b""
        self._lines.append(path.encode(errors="surrogateescape") + b"\0" + self._told(status) + b"\0" + held + extra)

    def _told(self, status: os.stat_result) -> bytes:
        if self._owned:
            return b"%o %d:%d" % (status.st_mode, status.st_uid, status.st_gid)
        return b"%o" % status.st_mode

    def _content(self, name: str, where: str, status: os.stat_result) -> bytes:
        known = self._known.facts.get(name) == _facts(status)
        found = self._known.digests[name] if known else self._read(where)
        self.digests[name] = found
        return found

    def _read(self, where: str) -> bytes:
        descriptor = open_in_root(self._root, where, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, follow=False)
        try:
            data = os.read(descriptor, _WHOLE)
            hasher = hashlib.sha256(data)
            while len(data) == _WHOLE:
                data = os.read(descriptor, _WHOLE)
                hasher.update(data)
            return hasher.digest()
        finally:
            os.close(descriptor)

    def _link(self, where: str) -> str:
        above, _, name = where.rpartition("/")
        folder = open_in_root(self._root, above, os.O_PATH | os.O_DIRECTORY, follow=False)
        try:
            return os.readlink(name, dir_fd=folder)
        finally:
            os.close(folder)

    def _xattrs(self, where: str) -> bytes:
        path = f"/proc/self/fd/{self._root}/{where}"
        try:
            names = [name for name in os.listxattr(path, follow_symlinks=False) if name.startswith(_XATTRS)]
            pairs = [(name, os.getxattr(path, name, follow_symlinks=False)) for name in sorted(names)]
        except OSError:
            return b""
        return repr([pair for pair in pairs if not pair[0].startswith("trusted.overlay.")]).encode() if pairs else b""
