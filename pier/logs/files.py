"""The files of one log, and where in them the last lines begin. Synchronous.

``PATH`` is what the supervisor writes; ``PATH.1`` is the file before it, and so on. ``PATH.kept`` is a second
name of the current file (:mod:`pier.logs.rotate`); it is the file before ``PATH`` while a rotation is under way.
"""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pier.logs.lines import Selection, kind

KEPT: Final = ".kept"
_BACKWARD: Final = 1 << 16


@dataclass(slots=True)
class LogFile:
    """An open file of a log. ``offset`` is where reading goes on, ``rest`` the beginning of an unfinished line."""

    descriptor: int
    inode: int
    offset: int = 0
    rest: bytes = b""

    def read(self, size: int) -> bytes:
        """The next whole lines, some ``size`` bytes of them; empty at the end of what has been written."""
        while data := os.pread(self.descriptor, size, self.offset):
            self.offset += len(data)
            end = data.rfind(b"\n") + 1
            if end:
                block, self.rest = self.rest + data[:end], data[end:]
                return block
            self.rest += data
        return b""

    def close(self) -> None:
        """Not to be called twice."""
        os.close(self.descriptor)


def rotated(path: Path, number: int) -> Path:
    """The name of the ``number``-th file before the current one."""
    return path.with_name(f"{path.name}.{number}")


def kept(path: Path) -> Path:
    """The second name of the current file."""
    return path.with_name(path.name + KEPT)


def _oldest(path: Path) -> int:
    """The highest number that a rotated file of the log has; 0 when there is none."""
    numbers = [0]
    with contextlib.suppress(FileNotFoundError):
        for name in os.listdir(path.parent):
            suffix = name.removeprefix(path.name + ".")
            if name != suffix and suffix.isdecimal():
                numbers.append(int(suffix))
    return max(numbers)


def _names(path: Path) -> Iterator[Path]:
    """All names a log has, newest file first, and one more than there are: a file may be moved there meanwhile."""
    yield path
    yield kept(path)
    number = 0
    while number <= _oldest(path):
        number += 1
        yield rotated(path, number)


def open_files(path: Path) -> list[LogFile]:
    """All files of the log, oldest first, each once; none when there is no log.

    A rotation only ever moves a file to an older name. Opened from the newest name to the oldest, none is missed
    while they move: one that was moved is met again, and that is its place.
    """
    found: dict[int, LogFile] = {}
    for name in _names(path):
        with contextlib.suppress(FileNotFoundError):
            descriptor = os.open(name, os.O_RDONLY | os.O_CLOEXEC)
            inode = os.fstat(descriptor).st_ino
            if earlier := found.pop(inode, None):
                earlier.close()
            found[inode] = LogFile(descriptor, inode)
    return list(reversed(found.values()))


def newer(path: Path, than: int) -> list[LogFile]:
    """The files that came after the one with inode ``than``; all, if that is no longer there."""
    with contextlib.suppress(FileNotFoundError):
        if os.stat(path).st_ino == than:
            return []
    files = open_files(path)
    inodes = [file.inode for file in files]
    passed = inodes.index(than) + 1 if than in inodes else 0
    for file in files[:passed]:
        file.close()
    return files[passed:]


def skip_to_tail(files: list[LogFile], lines: int, wanted: Selection) -> None:
    """Move the offsets of ``files`` to where the last ``lines`` wanted lines begin, reading backwards."""
    streams = wanted.streams
    left = lines or -1
    at_end = True
    for file in reversed(files):
        if left < 0:
            file.offset = os.fstat(file.descriptor).st_size
            continue
        size = end = _last_line_end(file)
        for start, line in _backwards(file, size):
            what = kind(line)
            if what is None or what[0] not in streams:
                continue
            if at_end and what[1]:
                left -= 1  # a line that has not ended is one, too
            at_end = False
            if not what[1]:
                left -= 1
                if left < 0:
                    break
            end = start
        file.offset = end if left < 0 else 0


def _last_line_end(file: LogFile) -> int:
    """Where the last whole line ends."""
    end = os.fstat(file.descriptor).st_size
    while end > 0:
        start = max(0, end - _BACKWARD)
        found = os.pread(file.descriptor, end - start, start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0


def _backwards(file: LogFile, end: int) -> Iterator[tuple[int, bytes]]:
    """Lines (without their newline) with the offsets that they begin at, last one first; ``end`` is after a newline."""
    rest = b""
    while end > 0:
        start = max(0, end - _BACKWARD)
        data = os.pread(file.descriptor, end - start, start) + rest
        first = data.find(b"\n") + 1 if start > 0 else 0
        position = start + len(data)
        for line in reversed(data[first:].split(b"\n")[:-1]):
            position -= len(line) + 1
            yield position, line
        rest = data[:first]
        end = start


def size(file: LogFile) -> int:
    """How much has been written to it."""
    return os.fstat(file.descriptor).st_size
