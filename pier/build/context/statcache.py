"""Digests of files that are known from the last time: by path, size, times, mode and inode, as Git's index does.

One :class:`Known` for each folder and selection; the last few are in memory, all of them are files in a folder
``digests`` of the builder's own.
"""

import hashlib
import os
import threading
from collections import OrderedDict
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

from pier.linux.files import atomic_write

Facts = tuple[int, int, int, int, int]
"""Mode, size, time of modification, time of change (both ns), inode."""

_FOLDER: Final = "digests"
_FORM: Final = 2  # of what the digests count: since 2 the attributes
_IN_MEMORY: Final = 16
_MOST_IN_MEMORY: Final = 200_000
_FILES: Final = 256
NOT_TRUSTED: Final[Facts] = (0, 0, 0, 0, 0)


class Known(msgspec.Struct, array_like=True):
    """``facts`` and ``digests`` by path, of folders only where they have attributes; ``combined``: of all of it."""

    facts: dict[str, Facts] = {}
    digests: dict[str, bytes] = {}
    combined: str = ""


class _Stored(msgspec.Struct, array_like=True):
    """A :class:`Known` in a file, in columns. ``names``: with NUL between them, as no name has one; they need not be
    UTF-8. ``digests``: empty where there is none."""

    names: bytes
    facts: list[Facts]
    digests: list[bytes]
    combined: str


class StatCache:
    """For one thread at a time for each key."""

    def __init__(self) -> None:
        self._recent: OrderedDict[str, Known] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, root: Path, folder: str, selection: str) -> Known:
        """What is known; empty where nothing is."""
        name = _name(folder, selection)
        with self._lock:
            if name in self._recent:
                self._recent.move_to_end(name)
                return self._recent[name]
        try:
            known = _decode((root / _FOLDER / name).read_bytes())
        except (OSError, ValueError):
            return Known()
        self._remember(name, known)
        return known

    def put(self, root: Path, folder: str, selection: str, known: Known) -> None:
        """Keep it. A disk that is full keeps nothing."""
        name = _name(folder, selection)
        self._remember(name, known)
        with suppress(OSError):
            (root / _FOLDER).mkdir(mode=0o700, exist_ok=True)
            atomic_write(root / _FOLDER / name, _encode(known))
            _prune(root / _FOLDER)

    def forget(self, root: Path, before: int) -> None:
        """Drop what was not written since then (ns since 1970), and all that is in memory."""
        with self._lock:
            self._recent.clear()
        folder = root / _FOLDER
        with suppress(OSError):
            for each in list(folder.iterdir()):
                if each.stat().st_mtime_ns <= before:
                    each.unlink()
            folder.rmdir()

    def _remember(self, name: str, known: Known) -> None:
        with self._lock:
            self._recent[name] = known
            self._recent.move_to_end(name)
            while (
                len(self._recent) > _IN_MEMORY
                or sum(len(each.facts) for each in self._recent.values()) > _MOST_IN_MEMORY
            ):
                self._recent.popitem(last=False)


_DECODER: Final = msgspec.msgpack.Decoder(_Stored)


def _encode(known: Known) -> bytes:
    names = "\0".join(known.facts).encode(errors="surrogateescape")
    digests = [known.digests.get(name, b"") for name in known.facts]
    return msgspec.msgpack.encode(_Stored(names, list(known.facts.values()), digests, known.combined))


def _decode(data: bytes) -> Known:
    """Raises ValueError (as msgspec.DecodeError is one) for what is no such file."""
    stored = _DECODER.decode(data)
    names = stored.names.decode(errors="surrogateescape").split("\0") if stored.facts else []
    digests = {name: found for name, found in zip(names, stored.digests, strict=True) if found}
    return Known(dict(zip(names, stored.facts, strict=True)), digests, stored.combined)


def _prune(folder: Path) -> None:
    with os.scandir(folder) as found:
        files = [(each.stat().st_mtime, each.path) for each in found]
    for _, path in sorted(files)[:-_FILES]:
        os.unlink(path)


def _name(folder: str, selection: str) -> str:
    return hashlib.sha256(f"{_FORM}\0{folder}\0{selection}".encode(errors="surrogateescape")).hexdigest()
