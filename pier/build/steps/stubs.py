"""Mount points that a step's root file system lacks: made before the step, gone from its layer.

An overlay copies a folder up when something is made in it; so what was copied up for a mount point alone is removed
from the upper folder, too.
"""

import os
import posixpath
import stat
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pier.linux.files import is_opaque, open_in_root

_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY
_IN_THE_WAY: Final = (NotADirectoryError, FileExistsError)


@dataclass(frozen=True, slots=True)
class _Stub:
    """``times``: of the folder ``parent`` that it was made in, before that."""

    parent: int
    name: str
    folder: bool
    times: tuple[int, int]


class Stubs:
    """Use ``make`` for each mount point, ``clear`` when no process runs any more, and ``prune`` after unmounting."""

    def __init__(self, root: Path, stack: ExitStack) -> None:
        self._path = os.path.realpath(root)
        self._stack = stack
        self._root = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        stack.callback(os.close, self._root)
        self._made: list[_Stub] = []
        self._before: dict[str, os.stat_result] = {}

    def make(self, path: str, *, folder: bool) -> None:
        """Have a file or a folder at ``path``, links of the root followed. What is in the way stays."""
        parts = path.strip("/").split("/")
        with suppress(*_IN_THE_WAY):
            for count in range(1, len(parts) + 1):
                self._make_one("/".join(parts[:count]), folder or count < len(parts))

    def _make_one(self, path: str, folder: bool) -> None:
        with suppress(FileNotFoundError):
            os.close(open_in_root(self._root, path, os.O_PATH))
            return
        above, name = posixpath.split(path)
        parent = open_in_root(self._root, above or "/", _FOLDER)
        self._stack.callback(os.close, parent)
        self._remember(parent)
        status = os.fstat(parent)
        times = (status.st_atime_ns, status.st_mtime_ns)
        if folder:
            os.mkdir(name, 0o755, dir_fd=parent)
        else:
            os.close(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644, dir_fd=parent))
        os.utime(parent, ns=times)
        self._made.append(_Stub(parent, name, folder, times))

    def _remember(self, folder: int) -> None:
        """How the folder, and those above it, are before anything is made in them."""
        path = os.readlink(f"/proc/self/fd/{folder}").removeprefix(self._path).strip("/")
        while path and path not in self._before:
            self._before[path] = os.stat(os.path.join(self._path, path), follow_symlinks=False)
            path = posixpath.dirname(path)

    def clear(self) -> None:
        """Remove those that the step has not made its own."""
        for stub in reversed(self._made):
            untouched = os.fstat(stub.parent).st_mtime_ns == stub.times[1]
            with suppress(OSError):
                if stub.folder:
                    os.rmdir(stub.name, dir_fd=stub.parent)
                elif _is_empty_file(stub.name, stub.parent):
                    os.unlink(stub.name, dir_fd=stub.parent)
                if untouched:
                    os.utime(stub.parent, ns=stub.times)

    def prune(self, upper: Path) -> None:
        """Remove the folders that were copied up for mount points alone from the overlay's upper folder."""
        for path in sorted(self._before, key=len, reverse=True):
            copied = upper / path
            above = os.stat(copied.parent) if copied.parent.is_dir() else None
            with suppress(OSError):
                if above is not None and _same(os.lstat(copied), self._before[path]) and not is_opaque(copied):
                    os.rmdir(copied)
                    os.utime(copied.parent, ns=(above.st_atime_ns, above.st_mtime_ns))


def _is_empty_file(name: str, parent: int) -> bool:
    status = os.stat(name, dir_fd=parent, follow_symlinks=False)
    return stat.S_ISREG(status.st_mode) and status.st_size == 0


def _same(now: os.stat_result, before: os.stat_result) -> bool:
    return (now.st_mode, now.st_uid, now.st_gid, now.st_mtime_ns) == (
        before.st_mode,
        before.st_uid,
        before.st_gid,
        before.st_mtime_ns,
    )
