"""A folder for an engine elsewhere: what is in it is told, in order, and the contents that it wants are sent.

Entries go as DATA, a JSON list of ``[path, mode, uid, gid, size, mtime in ns, link, major, minor]`` (``mode`` is
``st_mode``, paths are relative), of a folder its extended attributes, too, if it has any; an empty list says that these
were all. The engine answers with DATA, JSON lists of the numbers of entries whose content it wants, and END; contents
go as CONTENT, after XATTRS where the file has attributes: to look for those of all files would slow down every build.
"""

from __future__ import annotations

import os
from collections import deque
from stat import S_ISDIR, S_ISLNK, S_ISREG, S_ISSOCK

from pier.client.buildlink import CONTENT, DATA, PIECE, XATTRS, to_json
from pier.oci.ignore import Matcher

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    Entry = list[Any]

BATCH = 256


class Sender:
    """Gives frames, ``(kind, payload)``, one after another. ``ready``: whether the next one is there."""

    def __init__(self, root: str, paths: list[str], exclude: list[str]) -> None:
        self._root = root
        self._told: list[str] = []
        self._wanted: deque[int] = deque()
        self._all_wanted = False
        self._walking = True
        self._frames = self._run(Selection(paths, exclude))

    @property
    def ready(self) -> bool:
        return self._walking or bool(self._wanted) or self._all_wanted

    def wanted(self, numbers: list[int] | None) -> None:
        """The engine wants these contents; None: it has asked for all that it wants."""
        if numbers is None:
            self._all_wanted = True
        else:
            self._wanted.extend(numbers)

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        return self

    def __next__(self) -> tuple[int, bytes]:
        return next(self._frames)

    def _run(self, selection: Selection) -> Iterator[tuple[int, bytes]]:
        batch: list[Entry] = []
        for entry in walk(self._root, selection):
            self._told.append(entry[0])
            batch.append(entry)
            if len(batch) == BATCH:
                yield DATA, to_json(batch)
                batch = []
        if batch:
            yield DATA, to_json(batch)
        self._walking = False
        yield DATA, b"[]"
        while self._wanted or not self._all_wanted:
            yield from self._content(self._wanted.popleft())

    def _content(self, number: int) -> Iterator[tuple[int, bytes]]:
        head = number.to_bytes(4, "big")
        path = os.path.join(self._root, self._told[number])
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            if xattrs := _xattrs(descriptor):
                yield XATTRS, head + to_json(xattrs)
            while data := os.read(descriptor, PIECE):
                yield CONTENT, head + data
        finally:
            os.close(descriptor)
        yield CONTENT, head


class Selection:
    """Which files go: those that match ``paths`` (all where empty) or lie below one that does, less ``exclude``."""

    def __init__(self, paths: list[str], exclude: list[str]) -> None:
        self._exclude = Matcher(exclude)
        self._paths = Matcher(paths) if paths else None
        self._above = Matcher([f"!{path}" for path in paths])

    def takes(self, path: str, is_dir: bool) -> bool:
        if self._exclude and self._exclude.excludes(path, is_dir):
            return False
        return self._paths is None or self._paths.excludes(path, is_dir)

    def enters(self, path: str) -> bool:
        """Whether something below a folder may be taken."""
        if self._exclude and self._exclude.excludes(path, True) and not self._exclude.may_contain_included(path):
            return False
        return self._paths is None or self._paths.excludes(path, True) or self._above.may_contain_included(path)


def walk(root: str, selection: Selection) -> Iterator[Entry]:
    """Entries in the order of their names, a folder before what is in it; folders above what is taken go, too."""
    waiting: list[Entry] = []  # folders that go only if something in them does
    folders = [("", _children(root))]
    while folders:
        below, children = folders[-1]
        child = next(children, None)
        if child is None:
            folders.pop()
            if waiting and waiting[-1][0] == below:
                waiting.pop()
            continue
        path = f"{below}/{child.name}" if below else child.name
        is_dir = child.is_dir(follow_symlinks=False)
        taken, enters = selection.takes(path, is_dir), is_dir and selection.enters(path)
        entry = _entry(child, path) if taken or enters else None
        if entry is None:
            continue
        waiting.append(entry)
        if taken:
            yield from waiting
            waiting.clear()
        if enters:
            folders.append((path, _children(child.path)))


def _children(folder: str) -> Iterator[os.DirEntry[str]]:
    with os.scandir(folder) as found:
        return iter(sorted(found, key=lambda child: os.fsencode(child.name)))


def _entry(child: os.DirEntry[str], path: str) -> Entry | None:
    """None for what cannot be in an image: a socket, or what has gone meanwhile."""
    try:
        found = child.stat(follow_symlinks=False)
        link = os.readlink(child.path) if S_ISLNK(found.st_mode) else ""
    except FileNotFoundError:
        return None
    if S_ISSOCK(found.st_mode):
        return None
    size = found.st_size if S_ISREG(found.st_mode) else 0
    device = found.st_rdev if not S_ISDIR(found.st_mode) else 0
    entry = [
        path,
        found.st_mode,
        found.st_uid,
        found.st_gid,
        size,
        found.st_mtime_ns,
        link,
        os.major(device),
        os.minor(device),
    ]
    if S_ISDIR(found.st_mode) and (xattrs := _xattrs(child.path)):
        entry.append(xattrs)
    return entry


def _xattrs(file: str | int) -> dict[str, str]:
    """The extended attributes that its user gave it."""
    try:
        names = sorted(name for name in os.listxattr(file) if name.startswith("user."))
        return {name: os.getxattr(file, name).decode("utf-8", "surrogateescape") for name in names}
    except OSError:  # none in this file system, or the file has gone
        return {}
