"""The digest of what a selector picks: where it lands, what it is, and what it holds; never when it was written."""

import hashlib
import os
import stat
import time
from typing import Final

from pier.build.context.files import Selector
from pier.build.context.listing import SIZE, Facts, Listing, names_of
from pier.build.context.select import Found, Skip, find, skipping, walk
from pier.build.context.statcache import DIGEST, NO_DIGEST, Known
from pier.linux.files import open_in_root, user_xattrs
from pier.oci.ignore import Matcher

_WHOLE: Final = 4 << 20
_TICK: Final = 50_000_000
_XATTRS: Final = ("user.", "security.capability", "trusted.")


def digest(root: int, selector: Selector, ignored: Matcher | None, known: Known | None, *, owned: bool) -> str:
    """``owned``: owners and all extended attributes count (a root file system's); of a context's, those of its user.

    ``known`` is brought up to date where given. Raises NotFound. Blocks: a walk, and the files that are not known.
    """
    began = time.time_ns()
    excluded = Matcher(selector.exclude) if selector.exclude else None
    listing = Listing()
    tops: list[tuple[Found, range]] = []
    for pattern in selector.patterns:
        for found in find(root, pattern, ignored, deep=selector.parents):
            tops.append((found, _list(listing, root, len(tops), found, skipping(found, ignored, excluded))))
    if known is not None and known.combined and known.names == listing.names and known.facts == listing.facts:
        return known.combined
    hashing = _Hashing(root, listing, known or Known(), owned)
    for found, numbers in tops:
        hashing.top(found, numbers, selector.parents)
    combined = hashing.combined()
    if known is not None:
        listing.distrust(began - _TICK)
        known.names, known.facts = bytes(listing.names), bytes(listing.facts)
        known.digests, known.combined = bytes(hashing.digests), combined
    return combined


def _list(listing: Listing, root: int, number: int, found: Found, skip: Skip | None) -> range:
    """Which of the listing the top and what is below it are; their names begin with its number."""
    first = len(listing)
    listing.add(f"{number}/", found.status)
    for path, status in walk(root, found, skip) if found.is_folder else ():
        listing.add(f"{number}/{path}", status)
    return range(first, len(listing))


class _Hashing:
    """``digests``: as :class:`Known` has them, of the listing's files."""

    def __init__(self, root: int, listing: Listing, known: Known, owned: bool) -> None:
        self._root = root
        self._listing = listing
        self._names = names_of(listing.names)
        self._known = known
        self._places = {name: place for place, name in enumerate(names_of(known.names))}
        self._owned = owned
        self._hash = hashlib.sha256()
        self._between = b""
        self.digests = bytearray(len(listing) * DIGEST)

    def top(self, found: Found, numbers: range, parents: bool) -> None:
        landing = found.anchor if parents else found.name if not found.is_folder else ""
        entries = numbers[1:] if found.is_folder else numbers
        self._line(f"{len(entries)}\0{found.is_folder}\0{landing}\0".encode(errors="surrogateescape"))
        told = self._listing.of(numbers[0])
        if found.is_folder and (found.path or self._owned):
            self._line(self._told(told) + self._folder(numbers[0], found.path))
        for number in sorted(entries, key=self._names.__getitem__):
            self._entry(number, found.path)

    def combined(self) -> str:
        return "sha256:" + self._hash.hexdigest()

    def _line(self, line: bytes) -> None:
        self._hash.update(self._between + line)
        self._between = b"\n"

    def _entry(self, number: int, top: str) -> None:
        name = self._names[number].partition(b"/")[2]
        path = name.decode(errors="surrogateescape")
        where = f"{top}/{path}" if top and path else top or path
        told = self._listing.of(number)
        mode = told.mode
        if stat.S_ISREG(mode):
            held = self._content(number, where)
        elif stat.S_ISLNK(mode):
            held = os.fsencode(self._link(where))
        elif stat.S_ISDIR(mode):
            held = b"0" + self._folder(number, where)
        else:
            held = b"%d" % (told.size if stat.S_ISCHR(mode) or stat.S_ISBLK(mode) else 0)
        extra = self._xattrs(where) if self._owned and not stat.S_ISLNK(mode) else b""
        self._line(name + b"\0" + self._told(told) + b"\0" + held + extra)

    def _told(self, told: Facts) -> bytes:
        if self._owned:
            return b"%o %d:%d" % (told.mode, told.owner, told.group)
        return b"%o" % told.mode

    def _content(self, number: int, where: str) -> bytes:
        found = self._remembered(number) or self._read(where)
        self.digests[number * DIGEST : number * DIGEST + DIGEST] = found
        return found

    def _remembered(self, number: int) -> bytes | None:
        """The digest of one that is as it was. NO_DIGEST: a folder without attributes."""
        place = self._places.get(self._names[number])
        if place is None or self._known.facts[place * SIZE : place * SIZE + SIZE] != self._listing.packed(number):
            return None
        return self._known.digests[place * DIGEST : place * DIGEST + DIGEST]

    def _folder(self, number: int, where: str) -> bytes:
        """The digest of a folder's attributes in a context; empty where it has none."""
        if self._owned:
            return b""
        found = self._remembered(number) or self._read_folder(where) or NO_DIGEST
        self.digests[number * DIGEST : number * DIGEST + DIGEST] = found
        return found if found != NO_DIGEST else b""

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
