"""Unpacking a tar at a path of a container's tree, for ``docker cp`` into it.

Every name is resolved by openat2(2) inside the tree, so links in the container or in the tar lead wherever
they like in it, and nowhere else.
"""

import os
import stat
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from pier.linux.files import open_in_root
from pier.linux.helper_input import CHUNK, write_all
from pier.linux.helper_paths import Refused, describe, opened
from pier.linux.helper_tarheader import (
    FIFO,
    FOLDER,
    GNU_SPARSE,
    LINK,
    NODES,
    REGULAR,
    SYMLINK,
    Header,
    TarError,
    clean,
    printable,
)
from pier.linux.helper_tarread import TarReader
from pier.linux.trees import remove_tree_at

_CREATE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_KNOWN: Final = (REGULAR, GNU_SPARSE, FOLDER, SYMLINK, LINK, *NODES)


@dataclass(frozen=True, slots=True)
class Wishes:
    """``keep_kinds``: a folder is not replaced by a file, nor a file by a folder. ``owner``: of everything."""

    keep_kinds: bool = False
    owner: tuple[int, int] | None = None


class CopyIn:
    """Unpacks one tar into the folder ``target`` of the tree below ``root``."""

    def __init__(self, root: int, target: str, reader: TarReader, wishes: Wishes) -> None:
        self._root = root
        self._target = target
        self._reader = reader
        self._wishes = wishes
        self._folders: dict[str, int] = {}

    def run(self) -> None:
        """Unpack all. Raises Refused, TarError, or OSError with the name."""
        os.umask(0)
        if not stat.S_ISDIR(self._destination()):
            raise Refused("InvalidArgument", "extraction point is not a directory")
        for header in self._reader.entries():
            path = self._place_of(header.name)
            try:
                self._entry(header, path)
            except OSError as error:
                raise OSError(error.errno, error.strerror, path) from error
        for path, mtime in reversed(self._folders.items()):
            with suppress(OSError), opened(self._root, path, os.O_RDONLY | os.O_DIRECTORY) as folder:
                os.utime(folder, ns=(mtime, mtime))

    def _destination(self) -> int:
        describe(self._root, self._target)  # says what is wrong with the path
        try:
            with opened(self._root, self._target) as found:
                return os.fstat(found).st_mode
        except OSError as error:
            raise Refused("NotFound", self._target) from error

    def _place_of(self, name: bytes) -> str:
        try:
            part = os.fsdecode(clean(name))
        except TarError as error:
            raise TarError(f'{printable(name)} is outside of "{self._target}"') from error
        return f"{self._target.rstrip('/')}/{part}" if part else self._target

    def _entry(self, header: Header, path: str) -> None:
        if header.kind not in _KNOWN:
            raise TarError(f"unhandled tar header type {header.kind[0]}")
        if path == self._target:
            if header.kind == FOLDER:
                self._folder_attributes(header, path)
            return
        folder, _, base = path.rpartition("/")
        with self._parent(folder or "/") as parent:
            keep = self._clear(header, parent, base, path)
            self._make(header, parent, base, path, keep)

    def _parent(self, folder: str) -> "_Opened":
        try:
            return _Opened(open_in_root(self._root, folder, os.O_RDONLY | os.O_DIRECTORY))
        except FileNotFoundError:
            self._make_folders(folder)
            return _Opened(open_in_root(self._root, folder, os.O_RDONLY | os.O_DIRECTORY))

    def _make_folders(self, folder: str) -> None:
        built = ""
        for part in folder.strip("/").split("/"):
            with opened(self._root, built or "/", os.O_RDONLY | os.O_DIRECTORY) as above, suppress(FileExistsError):
                os.mkdir(part, 0o755, dir_fd=above)
                if self._wishes.owner:
                    os.chown(part, *self._wishes.owner, dir_fd=above, follow_symlinks=False)
            built = f"{built}/{part}"

    def _clear(self, header: Header, parent: int, base: str, path: str) -> bool:
        """Take away what is in the way; whether a folder stays, to be filled."""
        try:
            found = os.stat(base, dir_fd=parent, follow_symlinks=False)
        except FileNotFoundError:
            return False
        is_folder = stat.S_ISDIR(found.st_mode)
        if is_folder and header.kind == FOLDER:
            return True
        if self._wishes.keep_kinds and is_folder:
            raise Refused("InvalidArgument", f'cannot overwrite directory "{path}" with non-directory "{self._target}"')
        if self._wishes.keep_kinds and header.kind == FOLDER:
            raise Refused("InvalidArgument", f'cannot overwrite non-directory "{path}" with directory "{self._target}"')
        if is_folder:
            remove_tree_at(parent, os.fsencode(base))
        else:
            os.unlink(base, dir_fd=parent)
        return False

    def _make(self, header: Header, parent: int, base: str, path: str, keep: bool) -> None:
        if header.kind in (REGULAR, GNU_SPARSE):
            self._file(header, parent, base)
        elif header.kind == FOLDER:
            if not keep:
                os.mkdir(base, 0o700, dir_fd=parent)
            self._folder_attributes(header, path)
        elif header.kind == LINK:
            self._link(header, parent, base)
        elif header.kind == SYMLINK:
            os.symlink(header.link, base, dir_fd=parent)
            self._attributes(header, parent, base)
        else:
            device = header.device() if header.kind != FIFO else 0
            os.mknod(base, NODES[header.kind] | header.mode, device, dir_fd=parent)
            self._attributes(header, parent, base)

    def _file(self, header: Header, parent: int, base: str) -> None:
        descriptor = os.open(base, _CREATE, 0o600, dir_fd=parent)
        try:
            if header.kind == GNU_SPARSE or header.sparse:
                self._sparse(header, descriptor)
            else:
                self._reader.content(header.size, lambda data: write_all(descriptor, data))
            os.fchown(descriptor, *self._owner(header))
            os.fchmod(descriptor, header.mode)
            for name, value in header.xattrs.items():
                if name == b"security.capability":
                    os.setxattr(descriptor, name, value)
            os.utime(descriptor, ns=(header.mtime, header.mtime))
        finally:
            os.close(descriptor)

    def _sparse(self, header: Header, descriptor: int) -> None:
        for offset, length in self._reader.sparse_map(header):
            os.lseek(descriptor, offset, os.SEEK_SET)
            while length:
                data = self._reader.raw(min(length, CHUNK))
                write_all(descriptor, data)
                length -= len(data)
        os.ftruncate(descriptor, header.real_size)

    def _link(self, header: Header, parent: int, base: str) -> None:
        try:
            target = self._place_of(header.link)
        except TarError as error:
            raise TarError(f"invalid hardlink {printable(header.name)} -> {printable(header.link)}") from error
        folder, _, name = target.rpartition("/")
        with opened(self._root, folder or "/", os.O_RDONLY | os.O_DIRECTORY) as source:
            os.link(name, base, src_dir_fd=source, dst_dir_fd=parent, follow_symlinks=False)

    def _folder_attributes(self, header: Header, path: str) -> None:
        with opened(self._root, path, os.O_RDONLY | os.O_DIRECTORY) as folder:
            os.fchown(folder, *self._owner(header))
            os.fchmod(folder, header.mode)
        self._folders[path] = header.mtime

    def _attributes(self, header: Header, parent: int, base: str) -> None:
        os.chown(base, *self._owner(header), dir_fd=parent, follow_symlinks=False)
        os.utime(base, ns=(header.mtime, header.mtime), dir_fd=parent, follow_symlinks=False)

    def _owner(self, header: Header) -> tuple[int, int]:
        return self._wishes.owner or (header.uid, header.gid)


class _Opened:
    """A descriptor that a block uses."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def __enter__(self) -> int:
        return self._descriptor

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)
