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

from pier.build.context.listing import SIZE
from pier.linux.files import atomic_write

_FOLDER: Final = "digests"
_FORM: Final = 3  # of what the digests count and how they are kept
_IN_MEMORY: Final = 16
_MOST_IN_MEMORY: Final = 200_000
_FILES: Final = 256
DIGEST: Final = 32
NO_DIGEST: Final = bytes(DIGEST)


class Known(msgspec.Struct, array_like=True):
    """``names`` and ``facts``: as a :class:`~pier.build.context.listing.Listing` has them; ``digests``: DIGEST bytes
    each, NO_DIGEST of what has none and of folders without attributes; ``combined``: of all of it."""

    names: bytes = b""
    facts: bytes = b""
    digests: bytes = b""
    combined: str = ""


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
            atomic_write(root / _FOLDER / name, msgspec.msgpack.encode(known))
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
                or sum(len(each.facts) // SIZE for each in self._recent.values()) > _MOST_IN_MEMORY
            ):
                self._recent.popitem(last=False)


_DECODER: Final = msgspec.msgpack.Decoder(Known)


def _decode(data: bytes) -> Known:
    """Raises ValueError (as msgspec.DecodeError is one) for what is no such file."""
    known = _DECODER.decode(data)
    count = known.names.count(b"\0")
    if (len(known.facts), len(known.digests)) != (count * SIZE, count * DIGEST):
        raise ValueError("the columns are not of one length")
    return known


def _prune(folder: Path) -> None:
    with os.scandir(folder) as found:
        files = [(each.stat().st_mtime, each.path) for each in found]
    for _, path in sorted(files)[:-_FILES]:
        os.unlink(path)


def _name(folder: str, selection: str) -> str:
    return hashlib.sha256(f"{_FORM}\0{folder}\0{selection}".encode(errors="surrogateescape")).hexdigest()
