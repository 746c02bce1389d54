"""A folder that is filled with what a client tells of: nothing in it leads, or is written, outside.

The client decides on names, links and modes. Every path is resolved with the folder as the root, and without following
links; sockets are left out, as COPY would not take them.
"""

import os
import re
import stat
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

from pier.build.context.entry import Entry
from pier.errors import InvalidArgument, NoSpace
from pier.linux.files import PATH_MAX, disk_errors, open_in_root, shortened, user_xattrs

_FOLDER: Final = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW
_MOST_OPEN: Final = 64
_NO_PATH: Final = re.compile(r"(?:\A|/)\.{0,2}(?:/|\Z)")  # a part that is empty, or leads elsewhere
_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW


class FreshFolder:
    """Fill an empty folder: each file is told of, in the order of their numbers, folders before what is in them; what
    is wanted is then written and finished by number. Not for the event loop: it writes."""

    def __init__(self, root: Path) -> None:
        self._root = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        self._told = 0
        self._asked: dict[int, Entry] = {}
        self._open: dict[int, int] = {}
        self._folders: list[Entry] = []
        self._links: list[Entry] = []
        self._entered: tuple[str, int] | None = None

    def entry(self, told: Entry) -> bool:
        """Take note of the next file; whether its content is wanted. Raises InvalidArgument, NoSpace."""
        number, self._told = self._told, self._told + 1
        try:
            return self._make(number, told)
        except (OSError, ValueError) as error:
            raise _refused(told.path, error) from error

    def _make(self, number: int, told: Entry) -> bool:
        _check(told.path)
        folder, _, name = told.path.rpartition("/")
        return self._place(number, told, self._enter(folder), name)

    def _enter(self, folder: str) -> int:
        """A descriptor of the folder, which is most often that of the file before."""
        if self._entered is None or self._entered[0] != folder:
            descriptor = open_in_root(self._root, folder, _FOLDER, follow=False)
            self._leave()
            self._entered = (folder, descriptor)
        return self._entered[1]

    def _leave(self) -> None:
        if self._entered is not None:
            os.close(self._entered[1])
            self._entered = None

    def _place(self, number: int, told: Entry, parent: int, name: str) -> bool:
        """Make the file; whether its content is wanted."""
        mode = told.mode
        if stat.S_ISDIR(mode):
            os.mkdir(name, 0o700, dir_fd=parent)
            self._folders.append(told)
        elif stat.S_ISLNK(mode):
            os.symlink(told.link, name, dir_fd=parent)
            os.utime(name, ns=(told.modified, told.modified), dir_fd=parent, follow_symlinks=False)
        elif told.link:
            _check(told.link)
            self._links.append(told)
        elif stat.S_ISREG(mode):
            self._asked[number] = told
            return True
        elif not stat.S_ISSOCK(mode):
            os.mknod(name, mode, told.device, dir_fd=parent)
            os.chmod(name, stat.S_IMODE(mode), dir_fd=parent)
            os.utime(name, ns=(told.modified, told.modified), dir_fd=parent)
        return False

    def _link(self, told: Entry) -> None:
        """Another name of a file, whose content has come by now."""
        folder, _, original = told.link.rpartition("/")
        above, _, name = told.path.rpartition("/")
        try:
            there = open_in_root(self._root, folder, _FOLDER, follow=False)
            try:
                here = self._enter(above)
                os.link(original, name, src_dir_fd=there, dst_dir_fd=here, follow_symlinks=False)
            finally:
                os.close(there)
        except OSError as error:
            raise InvalidArgument(f"cannot take {told.path!r} from the client: {error}") from error

    def write(self, number: int, data: bytes) -> None:
        """Raises NoSpace."""
        file = self._file(number)
        with disk_errors():
            while data:
                data = data[os.write(file, data) :]

    def _file(self, number: int) -> int:
        """Made with the first of its content: between what is told and what is sent lie tens of thousands of files."""
        if number not in self._open:
            if len(self._open) >= _MOST_OPEN:
                raise InvalidArgument(f"the client sends more than {_MOST_OPEN} files at a time")
            path = self._asked[number].path
            folder, _, name = path.rpartition("/")
            try:
                with disk_errors():
                    self._open[number] = os.open(name, _NEW, 0o600, dir_fd=self._enter(folder))
            except OSError as error:
                raise InvalidArgument(f"cannot take {path!r} from the client: {error}") from error
        return self._open[number]

    def mark(self, number: int, xattrs: Iterable[tuple[str, bytes]]) -> None:
        """Give a file extended attributes before its content comes. Raises InvalidArgument, NoSpace."""
        _mark(self._file(number), xattrs)

    def finish(self, number: int) -> None:
        file = self._file(number)
        told = self._asked.pop(number)
        del self._open[number]
        try:
            _mark(file, told.xattrs)
            os.fchmod(file, stat.S_IMODE(told.mode))
            os.utime(file, ns=(told.modified, told.modified))
        finally:
            os.close(file)

    def done(self) -> None:
        """All has come: files get their further names, folders their modes and times."""
        for told in self._links:
            self._link(told)
        for told in reversed(self._folders):
            folder = open_in_root(self._root, told.path, os.O_RDONLY | os.O_DIRECTORY, follow=False)
            try:
                _finish_folder(folder, told)
            finally:
                os.close(folder)

    def close(self) -> None:
        for file in self._open.values():
            os.close(file)
        self._open.clear()
        self._leave()
        os.close(self._root)


def _finish_folder(folder: int, told: Entry) -> None:
    """Leaves one alone that is so already: what is known of it stays true."""
    there, xattrs = os.fstat(folder), user_xattrs(folder)
    if (there.st_mode, there.st_mtime_ns) == (told.mode, told.modified) and xattrs == dict(told.xattrs):
        return
    for name in xattrs.keys() - dict(told.xattrs):
        os.removexattr(folder, name)
    _mark(folder, told.xattrs)
    os.fchmod(folder, stat.S_IMODE(told.mode))
    os.utime(folder, ns=(told.modified, told.modified))


def _mark(file: int, xattrs: Iterable[tuple[str, bytes]]) -> None:
    """Only as far as the file system takes them, as with Docker; a name with a NUL is none."""
    for name, value in xattrs:
        with suppress(OSError, ValueError):
            os.setxattr(file, name, value)


def _refused(path: str, error: OSError | ValueError) -> Exception:
    """What to raise of it: NoSpace, or InvalidArgument. Only made when it is needed: there are many files."""
    try:
        with disk_errors():
            raise error
    except NoSpace as full:
        return full
    except (OSError, ValueError):
        reason = error.strerror if isinstance(error, OSError) else error
        return InvalidArgument(f"cannot take {shortened(path)!r} from the client: {reason}")


def _check(path: str) -> None:
    if _NO_PATH.search(path):
        raise ValueError("it is no path below the folder")
    if len(os.fsencode(path)) >= PATH_MAX:
        raise ValueError("file name too long")
