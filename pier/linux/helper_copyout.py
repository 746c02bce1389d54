"""A tar of one path of a container's tree, for ``docker cp`` out of it.

Folders are walked by descriptors, each opened below its parent without following links, so a process in the
container that swaps a folder for a link while we read gains nothing.
"""

import errno
import os
import resource
import stat
from collections.abc import Collection
from typing import Final

from pier.linux.helper_pack import Output, encode
from pier.linux.helper_paths import opened, split, status
from pier.linux.helper_tarheader import (
    BLOCK,
    BLOCK_DEVICE,
    CHAR,
    FIFO,
    FOLDER,
    LINK,
    REGULAR,
    SYMLINK,
    Header,
)

_KINDS: Final = {
    stat.S_IFDIR: FOLDER,
    stat.S_IFREG: REGULAR,
    stat.S_IFLNK: SYMLINK,
    stat.S_IFCHR: CHAR,
    stat.S_IFBLK: BLOCK_DEVICE,
    stat.S_IFIFO: FIFO,
}
_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_GONE: Final = (errno.ENOENT, errno.ELOOP, errno.ENOTDIR, errno.ESTALE)
_CAPABILITY: Final = "security.capability"
_NANO: Final = 1_000_000_000


class CopyOut:
    """Writes the tar. ``skip``: device numbers of mounted file systems whose content is left out."""

    def __init__(self, root: int, output: Output, skip: Collection[int]) -> None:
        self._root = root
        self._output = output
        self._skip = skip
        self._links: dict[tuple[int, int], bytes] = {}

    def run(self, path: str, name: str) -> None:
        """Write ``path`` under ``name`` (``.`` and ``/`` are names too), with all that is below it. Raises Refused."""
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))  # a descriptor for each level of folders
        if status(self._root, path).st_dev in self._skip:
            self._skip = ()  # asked for by name
        folder, base = split(path)
        with opened(self._root, folder, os.O_RDONLY | os.O_DIRECTORY) as parent:
            self._walk(parent, base or ".", os.fsencode(name))
        self._output.write(bytes(2 * BLOCK))
        self._output.flush()

    def _walk(self, parent: int, base: str, name: bytes) -> None:
        stack: list[tuple[int, bytes, list[str]]] = []
        self._enter(parent, base, name, stack)
        try:
            while stack:
                folder, above, names = stack[-1]
                if names:
                    part = names.pop()
                    self._enter(folder, part, above + os.fsencode(part), stack)
                else:
                    os.close(folder)
                    stack.pop()
        finally:
            for folder, _, _ in stack:
                os.close(folder)

    def _enter(self, parent: int, base: str, name: bytes, stack: list[tuple[int, bytes, list[str]]]) -> None:
        """Write one entry; a folder that was written goes on the stack."""
        try:
            found = os.stat(base, dir_fd=parent, follow_symlinks=False)
            if not stat.S_ISDIR(found.st_mode):
                self._add(parent, base, name, found)
                return
            descriptor = os.open(base, _FOLDER, dir_fd=parent)
        except OSError as error:
            if error.errno in _GONE:  # the container took it away meanwhile
                return
            raise OSError(error.errno, error.strerror, os.fsdecode(name)) from error
        name = name.rstrip(b"/") + b"/"
        self._output.write(encode(_header(name, FOLDER, found, _capability(descriptor))))
        names = [] if found.st_dev in self._skip else sorted(os.listdir(descriptor), reverse=True)
        stack.append((descriptor, name, names))

    def _add(self, parent: int, base: str, name: bytes, found: os.stat_result) -> None:
        kind = _KINDS.get(stat.S_IFMT(found.st_mode))
        if kind is None:
            return  # a socket
        first = self._links.setdefault((found.st_dev, found.st_ino), name) if found.st_nlink > 1 else name
        if first != name:
            header = _header(name, LINK, found)
            header.link = first
            self._output.write(encode(header))
        elif kind == REGULAR:
            self._file(parent, base, name)
        else:
            header = _header(name, kind, found)
            if kind == SYMLINK:
                header.link = os.fsencode(os.readlink(base, dir_fd=parent))
            elif kind != FIFO:
                header.major, header.minor = os.major(found.st_rdev), os.minor(found.st_rdev)
            self._output.write(encode(header))

    def _file(self, parent: int, base: str, name: bytes) -> None:
        """A file that grows under a running container keeps the length that it had when it was opened."""
        descriptor = os.open(base, _FILE, dir_fd=parent)
        try:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode):
                return
            header = _header(name, REGULAR, found, _capability(descriptor))
            header.size = found.st_size
            self._output.write(encode(header))
            self._output.copy(descriptor, header.size)
            self._output.write(bytes(-header.size % BLOCK))
        finally:
            os.close(descriptor)


def _header(name: bytes, kind: bytes, found: os.stat_result, xattrs: dict[bytes, bytes] | None = None) -> Header:
    mtime = found.st_mtime_ns // _NANO * _NANO
    mode = stat.S_IMODE(found.st_mode)
    return Header(name, kind, mode, found.st_uid, found.st_gid, 0, mtime, b"", xattrs=xattrs or {})


def _capability(descriptor: int) -> dict[bytes, bytes]:
    try:
        return {os.fsencode(_CAPABILITY): os.getxattr(descriptor, _CAPABILITY)}
    except OSError:
        return {}
