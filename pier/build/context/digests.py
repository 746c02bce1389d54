"""The digest of what a selector picks: where it lands, what it is, and what it holds; never when it was written."""

import hashlib
import os
import stat
import time
from typing import Final

from pier.build.context.files import Selector
from pier.build.context.select import Found, find, skipping, walked
from pier.build.context.statcache import NOT_TRUSTED, Facts, Known
from pier.linux.files import open_in_root, user_xattrs
from pier.oci.ignore import Matcher

_WHOLE: Final = 4 << 20
_TICK: Final = 50_000_000
_Told = Facts | tuple[int, int, int, int, int, int, int]  # with owner and group, where they count
_XATTRS: Final = ("user.", "security.capability", "trusted.")


def digest(root: int, selector: Selector, ignored: Matcher | None, known: Known | None, *, owned: bool) -> str:
    """``owned``: owners and all extended attributes count (a root file system's); of a context's, those of its user.

    ``known`` is brought up to date where given. Raises NotFound. Blocks: a walk, and the files that are not known.
    """
    began = time.time_ns()
    excluded = Matcher(selector.exclude) if selector.exclude else None
    look = _owned_facts if owned else _facts
    tops: list[tuple[Found, dict[str, _Told]]] = []
    for pattern in selector.patterns:
        for found in find(root, pattern, ignored, deep=selector.parents):
            below = walked(root, found, skipping(found, ignored, excluded), look) if found.is_folder else {}
            tops.append((found, below))
    facts = _all_facts(tops) if known is not None else {}
    if known is not None and known.facts == facts:
        return known.combined
    hashing = _Hashing(root, known, owned)
    for number, (found, below) in enumerate(tops):
        hashing.top(number, found, below, look(found.status), selector.parents)
    combined = hashing.combined()
    if known is not None:
        known.digests = hashing.digests
        known.facts = {path: _trusted(each, began) for path, each in facts.items()}
        known.combined = combined
    return combined


def _all_facts(tops: list[tuple[Found, dict[str, _Told]]]) -> dict[str, Facts]:
    facts = {}
    for number, (found, below) in enumerate(tops):
        facts[f"{number}/"] = _facts(found.status)
        facts.update({f"{number}/{path}": told[:5] for path, told in below.items()})
    return facts


def _facts(status: os.stat_result) -> Facts:
    """A device's number is in place of its size."""
    size = status.st_size or status.st_rdev
    return (status.st_mode, size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)


def _owned_facts(status: os.stat_result) -> _Told:
    return (*_facts(status), status.st_uid, status.st_gid)


def _trusted(facts: Facts, began: int) -> Facts:
    """A file written in the very tick in which it was read may change without its times telling."""
    return facts if max(facts[2], facts[3]) < began - _TICK else NOT_TRUSTED


class _Hashing:
    def __init__(self, root: int, known: Known | None, owned: bool) -> None:
        self._root = root
        self._known = known or Known()
        self._remembers = known is not None
        self._owned = owned
        self._lines: list[bytes] = []
        self.digests: dict[str, bytes] = {}

    def top(self, number: int, found: Found, below: dict[str, _Told], told: _Told, parents: bool) -> None:
        landing = found.anchor if parents else found.name if not found.is_folder else ""
        entries = below if found.is_folder else {"": told}
        self._lines.append(f"{len(entries)}\0{found.is_folder}\0{landing}\0".encode(errors="surrogateescape"))
        if found.is_folder and (found.path or self._owned):
            self._lines.append(self._told(told) + self._folder(f"{number}/", found.path, told))
        for path in sorted(entries):
            self._entry(number, found.path, path, entries[path])

    def combined(self) -> str:
        return "sha256:" + hashlib.sha256(b"\n".join(self._lines)).hexdigest()

    def _entry(self, number: int, top: str, path: str, told: _Told) -> None:
        where = f"{top}/{path}" if top and path else top or path
        mode = told[0]
        if stat.S_ISREG(mode):
            held = self._content(f"{number}/{path}", where, told)
        elif stat.S_ISLNK(mode):
            held = os.fsencode(self._link(where))
        elif stat.S_ISDIR(mode):
            held = b"0" + self._folder(f"{number}/{path}", where, told)
        else:
            held = b"%d" % (told[1] if stat.S_ISCHR(mode) or stat.S_ISBLK(mode) else 0)
        extra = self._xattrs(where) if self._owned and not stat.S_ISLNK(mode) else b""
        self._lines.append(path.encode(errors="surrogateescape") + b"\0" + self._told(told) + b"\0" + held + extra)

    def _told(self, told: _Told) -> bytes:
        if self._owned:
            return b"%o %d:%d" % (told[0], *told[5:])
        return b"%o" % told[0]

    def _content(self, name: str, where: str, told: _Told) -> bytes:
        known = self._known.facts.get(name) == told[:5]
        found = self._known.digests[name] if known else self._read(where)
        if self._remembers:
            self.digests[name] = found
        return found

    def _folder(self, name: str, where: str, told: _Told) -> bytes:
        """The digest of a folder's attributes in a context; empty where it has none."""
        if self._owned:
            return b""
        if self._known.facts.get(name) == told[:5]:
            found = self._known.digests.get(name, b"")
        else:
            found = self._read_folder(where)
        if found and self._remembers:
            self.digests[name] = found
        return found

    def _read_folder(self, where: str) -> bytes:
        descriptor = open_in_root(self._root, where, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, follow=False)
        try:
            xattrs = user_xattrs(descriptor)
        finally:
            os.close(descriptor)
        return hashlib.sha256(repr(xattrs).encode()).digest() if xattrs else b""

    def _read(self, where: str) -> bytes:
        descriptor = open_in_root(self._root, where, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, follow=False)
        try:
            data = os.read(descriptor, _WHOLE)
            hasher = hashlib.sha256(data)
            while len(data) == _WHOLE:
                data = os.read(descriptor, _WHOLE)
                hasher.update(data)
            if not self._owned and (xattrs := user_xattrs(descriptor)):
                hasher = hashlib.sha256(hasher.digest() + repr(xattrs).encode())
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
