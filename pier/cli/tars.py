"""Tar archives to and from this machine's file system, for ``cp``.

What comes from a container is hostile: an entry never leaves the folder that it is unpacked in,
neither by its name nor through a link below that folder.
"""

from __future__ import annotations

import os
import stat
import tarfile

from pier.cli.command import Failure
from pier.errors import DataCorrupted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from io import FileIO
    from typing import Any, Protocol

    class Packed(Protocol):
        """A response, or whatever else gives the bytes of an archive."""

        def pieces(self) -> Iterator[bytes]: ...


PIECE = 1 << 18


class _Collector:
    """A file that gives what was written to it away in large pieces."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.size = 0

    def write(self, data: bytes) -> int:
        self.parts.append(data)
        self.size += len(data)
        return len(data)

    def tell(self) -> int:
        return 0

    def take(self) -> bytes:
        data = b"".join(self.parts)
        self.parts.clear()
        self.size = 0
        return data


def pack(folder: str, name: str, rename: Callable[[str], str]) -> Iterator[bytes]:
    """A tar of ``folder/name`` and all below it, entries named ``rename(path relative to folder)``."""
    collector = _Collector()
    file: Any = collector
    archive = tarfile.TarFile(fileobj=file, mode="w", format=tarfile.PAX_FORMAT)
    for relative in _walk(folder, name):
        path = os.path.join(folder, relative)
        entry = archive.gettarinfo(path, arcname=rename(relative))
        if entry is None:  # a socket
            continue
        archive.addfile(entry)
        if entry.isreg():
            yield from _content(path, entry, collector, archive)
        if collector.size > PIECE:
            yield collector.take()
    archive.close()
    yield collector.take()


def _content(path: str, entry: tarfile.TarInfo, collector: _Collector, archive: tarfile.TarFile) -> Iterator[bytes]:
    """The file's bytes, exactly as many as its head says, and the padding."""
    left = entry.size
    with open(path, "rb", buffering=0) as file:
        while left:
            piece = file.read(min(left, PIECE))
            if not piece:
                raise Failure(f"{path} shrank while it was copied")
            left -= len(piece)
            collector.write(piece)
            yield collector.take()
    padding = -entry.size % tarfile.BLOCKSIZE
    collector.write(b"\0" * padding)
    archive.offset += entry.size + padding


def _walk(folder: str, name: str) -> Iterator[str]:
    path = os.path.join(folder, name)
    yield name
    if os.path.isdir(path) and not os.path.islink(path):
        for each in sorted(os.listdir(path)):
            yield from _walk(folder, f"{name}/{each}")


class _Reader:
    """A response's body as the file that ``tarfile`` reads: forward only, and content without detours."""

    def __init__(self, response: Packed) -> None:
        self._pieces = response.pieces()
        self._rest = b""
        self.position = 0

    def _some(self, limit: int) -> bytes:
        """At most ``limit`` bytes, empty at the end."""
        piece = self._rest or next(self._pieces, b"")
        if len(piece) > limit:
            piece, self._rest = piece[:limit], piece[limit:]
        else:
            self._rest = b""
        self.position += len(piece)
        return piece

    def read(self, size: int) -> bytes:
        parts: list[bytes] = []
        while size and (piece := self._some(size)):
            parts.append(piece)
            size -= len(piece)
        return b"".join(parts)

    def tell(self) -> int:
        return self.position

    def seek(self, position: int) -> None:
        left = position - self.position
        while left > 0 and (piece := self._some(left)):
            left -= len(piece)

    def copy(self, size: int, file: FileIO) -> None:
        while size:
            piece = self._some(size)
            if not piece:
                raise DataCorrupted("the archive ends in the middle of a file")
            file.write(piece)
            size -= len(piece)


def unpack(response: Packed, folder: str, rename: Callable[[str], str], owners: bool) -> int:
    """Unpack below ``folder``; returns how many bytes came. Raises DataCorrupted for an entry that leaves it."""
    reader = _Reader(response)
    directories: list[tuple[str, tarfile.TarInfo]] = []
    file: Any = reader
    for entry in _entries(file):
        path = _inside(folder, rename(entry.name))
        _make_room(path, entry)
        _create(reader, entry, path, folder, rename)
        _dress(path, entry, owners)
        if entry.isdir():
            directories.append((path, entry))
    for path, entry in reversed(directories):
        os.utime(path, (entry.mtime, entry.mtime))
    return reader.position


def _entries(file: Any) -> Iterator[tarfile.TarInfo]:
    try:
        with tarfile.TarFile(fileobj=file, mode="r") as archive:
            for entry in archive:
                if entry.sparse is not None:
                    raise DataCorrupted(f"the archive has a sparse file, which no daemon sends: {entry.name!r}")
                yield entry
    except tarfile.TarError as error:
        raise DataCorrupted(f"the daemon sent a broken archive: {error}") from error


def _inside(folder: str, name: str) -> str:
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise DataCorrupted(f"the archive has an entry outside of its folder: {name!r}")
    path = folder
    for part in parts[:-1]:
        path = os.path.join(path, part)
        if os.path.islink(path):
            raise DataCorrupted(f"the archive has an entry that goes through a link: {name!r}")
        if not os.path.isdir(path):
            os.mkdir(path)
    return os.path.join(path, parts[-1]) if parts else folder


def _make_room(path: str, entry: tarfile.TarInfo) -> None:
    try:
        there = os.lstat(path)
    except FileNotFoundError:
        return
    directory = stat.S_ISDIR(there.st_mode)
    if directory and not entry.isdir():
        raise Failure(f'cannot overwrite directory "{path}" with non-directory')
    if not directory and entry.isdir():
        raise Failure(f'cannot overwrite non-directory "{path}" with directory')
    if not directory:
        os.unlink(path)


def _create(reader: _Reader, entry: tarfile.TarInfo, path: str, folder: str, rename: Callable[[str], str]) -> None:
    if entry.isdir():
        if not os.path.isdir(path):
            os.mkdir(path)
    elif entry.isreg():
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "wb", buffering=0) as file:
            reader.copy(entry.size, file)
    elif entry.issym():
        os.symlink(entry.linkname, path)
    elif entry.islnk():
        os.link(_inside(folder, rename(entry.linkname)), path, follow_symlinks=False)
    elif entry.isfifo():
        os.mkfifo(path)
    elif entry.ischr() or entry.isblk():
        kind = stat.S_IFCHR if entry.ischr() else stat.S_IFBLK
        os.mknod(path, kind | 0o600, os.makedev(entry.devmajor, entry.devminor))


def _dress(path: str, entry: tarfile.TarInfo, owners: bool) -> None:
    if entry.islnk():
        return
    if owners and os.geteuid() == 0:
        os.lchown(path, entry.uid, entry.gid)
    if not entry.issym():
        os.chmod(path, entry.mode & 0o7777)
        if not entry.isdir():
            os.utime(path, (entry.mtime, entry.mtime))
