"""A folder as the archive that an engine takes for a build's context. Links stay links; no ``.git`` is in it.

Modes are those that git knows of, times the commit's: the same commit makes the same archive.
"""

import os
import stat
import tarfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Final

from pier.oci.ignore import Matcher
from pier.registry.threads import hop

_PIECE: Final = 1 << 20
_GIT: Final = ".git"
_Entry = tuple[str, str, os.stat_result]
"""Its path, its name in the archive, what it is."""


async def archive(folder: Path, time: int, ignored: Matcher) -> AsyncIterator[bytes]:
    """In pieces of about 1 MiB."""
    made = pieces(folder, time, ignored)
    while piece := await hop(None, next, made, b""):
        yield piece


def pieces(folder: Path, time: int, ignored: Matcher) -> Iterator[bytes]:
    """Blocks."""
    gathered = bytearray()
    for part in _parts(folder, time, ignored):
        gathered += part
        if len(gathered) >= _PIECE:
            yield bytes(gathered)
            gathered.clear()
    yield bytes(gathered)


def _parts(folder: Path, time: int, ignored: Matcher) -> Iterator[bytes]:
    for path, name, status in _taken(folder, ignored):
        info = tarfile.TarInfo(name)
        info.mtime = time
        if stat.S_ISLNK(status.st_mode):
            info.type, info.linkname, info.mode = tarfile.SYMTYPE, os.readlink(path), 0o777
        elif stat.S_ISDIR(status.st_mode):
            info.type, info.mode = tarfile.DIRTYPE, 0o755
        else:
            info.size, info.mode = status.st_size, 0o755 if status.st_mode & stat.S_IXUSR else 0o644
        yield info.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")
        if info.isreg():
            yield from _content(path, info.size)
    yield bytes(2 * tarfile.BLOCKSIZE)


def _content(path: str, size: int) -> Iterator[bytes]:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with open(descriptor, "rb", buffering=0) as file:
        left = size
        while left:
            piece = file.read(min(left, _PIECE))
            if not piece:
                raise OSError(f"{path} has become shorter")
            left -= len(piece)
            yield piece
    yield bytes(-size % tarfile.BLOCKSIZE)


def _taken(folder: Path, ignored: Matcher) -> Iterator[_Entry]:
    """A folder that is left out goes all the same where something in it does."""
    left_out: dict[str, _Entry] = {}
    for entry in _walk(folder, ignored):
        name = entry[1]
        if ignored.excludes(name, stat.S_ISDIR(entry[2].st_mode)):
            if stat.S_ISDIR(entry[2].st_mode):
                left_out[name] = entry
            continue
        above = [each for each in left_out if name.startswith(f"{each}/")] if left_out else []
        yield from (left_out.pop(each) for each in above)
        yield entry


def _walk(folder: Path, ignored: Matcher) -> Iterator[_Entry]:
    """Folders, files and links, each folder before what is in it. Where all of one is left out nobody looks into it."""
    pending = [(os.fspath(folder), "")]
    while pending:
        above, prefix = pending.pop()
        with os.scandir(above) as found:
            entries = sorted((entry for entry in found if entry.name != _GIT), key=lambda entry: entry.name)
        for entry in entries:
            status = entry.stat(follow_symlinks=False)
            name = prefix + entry.name
            if stat.S_ISDIR(status.st_mode) and _enters(ignored, name):
                pending.append((entry.path, f"{name}/"))
            if stat.S_IFMT(status.st_mode) in (stat.S_IFDIR, stat.S_IFREG, stat.S_IFLNK):
                yield entry.path, name, status


def _enters(ignored: Matcher, name: str) -> bool:
    return not ignored.excludes(name, is_dir=True) or ignored.may_contain_included(name)
