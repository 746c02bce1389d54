"""Where the files of COPY and ADD come to lie, and as what: folders are made, files listed for the transfer.

All of it blocks. Paths of the target are resolved inside it, as links of the base have them.
"""

import os
import stat
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from pier.build.context.select import Found
from pier.errors import InvalidArgument
from pier.linux.files import open_in_root
from pier.linux.transfer import FILE, NODE, SYMLINK, Group, copy_xattrs

Mode = Callable[[int], int]


@dataclass(frozen=True, slots=True)
class Attributes:
    """``owner``: of everything, None: as the source has it (0:0 from a context). ``mode`` gives a file's mode anew."""

    owner: tuple[int, int] | None
    mode: Mode | None
    owned: bool

    def of(self, status: os.stat_result) -> tuple[int, int, int]:
        """Mode with the kind, owner, group."""
        mode = status.st_mode
        if self.mode is not None and not stat.S_ISLNK(mode):
            mode = stat.S_IFMT(mode) | self.mode(mode)
        owner = self.owner or ((status.st_uid, status.st_gid) if self.owned else (0, 0))
        return (mode, *owner)


@dataclass
class Landing:
    """``links``: further names of a file (here) of what landed first. ``times``: of folders, to be set at the end."""

    source: int
    target: int
    attributes: Attributes
    groups: dict[tuple[str, str], Group] = field(default_factory=dict)
    links: list[tuple[str, str]] = field(default_factory=list)
    times: list[tuple[str, int]] = field(default_factory=list)
    _seen: dict[tuple[int, int], str] = field(default_factory=dict)

    def put(self, found: Found, below: dict[str, os.stat_result], dest: str, into: bool) -> None:
        """``found`` at ``dest``, or in the folder ``dest`` where ``into`` says so. Raises InvalidArgument."""
        if found.is_folder:
            top = self._top(found, dest)
            self._fill(found.path, top, below)
            return
        if into or self._is_folder(dest):
            dest = f"{dest.rstrip('/')}/{found.name}"
        folder, _, name = dest.rstrip("/").rpartition("/")
        here = self.make_folders(folder)
        here, name = self._through_link(here, name)
        there, _, source_name = found.path.rpartition("/")
        self._list(there, source_name, here, name, found.status)

    def _top(self, found: Found, dest: str) -> str:
        """A context's own root is no folder of the user's: what is made of it is like any folder that was missing."""
        if found.path or self.attributes.owned:
            return self._resolved_folder(dest, found.status)
        return self.make_folders(dest)

    def parents(self, path: str, anchor: str, dest: str, root: int) -> None:
        """The folders of ``anchor`` below ``dest``, as the source has them (``--parents``)."""
        for count in range(1, len(anchor.split("/"))):
            part = "/".join(anchor.split("/")[:count])
            there = open_in_root(root, f"{path}/{part}" if path else part, os.O_PATH | os.O_DIRECTORY)
            try:
                self._resolved_folder(f"{dest.rstrip('/')}/{part}", os.fstat(there))
            finally:
                os.close(there)

    def make_folders(self, path: str) -> str:
        """``mkdir -p``; returns the path without links. What is made belongs to the new owner, and is 0755."""
        built = ""
        for part in [part for part in path.split("/") if part]:
            wanted = f"{built}/{part}" if built else part
            found = self._where(wanted)
            if found is None:
                self._mkdir(built, part)
                found = wanted
            built = found
        self._require_folder(built)
        return built

    def finish(self) -> None:
        """After the transfer: further names, then the times of folders."""
        for first, name in self.links:
            self._link(first, name)
        for path, modified in reversed(self.times):
            self._touch(path, modified)

    def _fill(self, there: str, here: str, below: dict[str, os.stat_result]) -> None:
        for path, status in below.items():
            folder, _, name = path.rpartition("/")
            from_, to = _join(there, folder), _join(here, folder)
            if stat.S_ISDIR(status.st_mode):
                self._folder(to, name, from_, status)
            elif not stat.S_ISSOCK(status.st_mode):
                self._list(from_, name, to, name, status)

    def _list(self, there: str, name: str, here: str, landing: str, status: os.stat_result) -> None:
        if status.st_nlink > 1 and stat.S_ISREG(status.st_mode):
            first = self._seen.setdefault((status.st_dev, status.st_ino), _join(here, landing))
            if first != _join(here, landing):
                self.links.append((first, _join(here, landing)))
                return
        mode, owner, group = self.attributes.of(status)
        kind = FILE if stat.S_ISREG(mode) else SYMLINK if stat.S_ISLNK(mode) else NODE
        size = status.st_rdev if kind == NODE else status.st_size
        listed = self.groups.setdefault((there, here), (there, here, []))
        listed[2].append((kind, name, landing, mode, owner, group, status.st_mtime_ns, size))

    def _folder(self, above: str, name: str, there: str, status: os.stat_result) -> None:
        """A folder below the copied one: there or not, it becomes what the source's is."""
        parent = open_in_root(self.target, above, os.O_RDONLY | os.O_DIRECTORY, follow=False)
        try:
            self._make(parent, name, _join(above, name))
            self._dress(parent, name, _join(above, name), status)
            if self.attributes.owned:
                self._xattrs(_join(there, name), _join(above, name))
        finally:
            os.close(parent)

    def _make(self, parent: int, name: str, path: str) -> bool:
        try:
            os.mkdir(name, 0o700, dir_fd=parent)
            return True
        except FileExistsError:
            if not stat.S_ISDIR(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode):
                raise InvalidArgument(f"cannot copy to non-directory: /{path}") from None
            return False

    def _dress(self, parent: int, name: str, path: str, status: os.stat_result) -> None:
        mode, owner, group = self.attributes.of(status)
        os.chown(name, owner, group, dir_fd=parent)
        os.chmod(name, stat.S_IMODE(mode), dir_fd=parent)
        self.times.append((path, status.st_mtime_ns))

    def _resolved_folder(self, dest: str, status: os.stat_result) -> str:
        """The folder ``dest``, made like the source's where it is not there, else left as it is."""
        above, _, name = dest.rstrip("/").rpartition("/")
        found = self._where(dest)
        if found is not None:
            self._require_folder(found)
            return found
        here = self.make_folders(above)
        parent = open_in_root(self.target, here, os.O_RDONLY | os.O_DIRECTORY, follow=False)
        try:
            if self._make(parent, name, _join(here, name)):
                self._dress(parent, name, _join(here, name), status)
                os.chmod(name, stat.S_IMODE(status.st_mode), dir_fd=parent)  # --chmod is for what is in it
        finally:
            os.close(parent)
        return _join(here, name)

    def _mkdir(self, above: str, name: str) -> None:
        parent = open_in_root(self.target, above, os.O_RDONLY | os.O_DIRECTORY, follow=False)
        try:
            if self._make(parent, name, _join(above, name)):
                os.chown(name, *(self.attributes.owner or (0, 0)), dir_fd=parent)
                os.chmod(name, 0o755, dir_fd=parent)
        except NotADirectoryError as error:
            raise InvalidArgument(f"mkdir /{_join(above, name)}: not a directory") from error
        finally:
            os.close(parent)

    def _where(self, path: str) -> str | None:
        """What ``path`` leads to inside the target, without links; None where nothing is there."""
        try:
            descriptor = open_in_root(self.target, path or "/", os.O_PATH)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise InvalidArgument(f"/{path.lstrip('/')}: {(error.strerror or '').lower()}") from error
        try:
            top = os.readlink(f"/proc/self/fd/{self.target}")
            return os.readlink(f"/proc/self/fd/{descriptor}")[len(top) :].strip("/")
        finally:
            os.close(descriptor)

    def _is_folder(self, path: str) -> bool:
        try:
            os.close(open_in_root(self.target, path, os.O_PATH | os.O_DIRECTORY))
        except OSError:
            return False
        return True

    def _require_folder(self, path: str) -> None:
        if path and not self._is_folder(path):
            raise InvalidArgument(f"cannot copy to non-directory: /{path}")

    def _through_link(self, here: str, name: str) -> tuple[str, str]:
        """A destination that is a link to a file means that file."""
        found = self._where(_join(here, name))
        if found is None:
            return here, name
        folder, _, last = found.rpartition("/")
        return folder, last

    def _link(self, first: str, name: str) -> None:
        folders = [each.rpartition("/")[0] for each in (first, name)]
        opened = [open_in_root(self.target, each, os.O_RDONLY | os.O_DIRECTORY, follow=False) for each in folders]
        base = name.rpartition("/")[2]
        try:
            with suppress(FileNotFoundError):
                os.unlink(base, dir_fd=opened[1])
            os.link(first.rpartition("/")[2], base, src_dir_fd=opened[0], dst_dir_fd=opened[1], follow_symlinks=False)
        finally:
            for each in opened:
                os.close(each)

    def _touch(self, path: str, modified: int) -> None:
        folder = open_in_root(self.target, path, os.O_RDONLY | os.O_DIRECTORY, follow=False)
        try:
            os.utime(folder, ns=(modified, modified))
        finally:
            os.close(folder)

    def _xattrs(self, there: str, here: str) -> None:
        source = open_in_root(self.source, there, os.O_RDONLY | os.O_DIRECTORY, follow=False)
        target = open_in_root(self.target, here, os.O_RDONLY | os.O_DIRECTORY, follow=False)
        try:
            copy_xattrs(source, target)
        finally:
            os.close(source)
            os.close(target)

    def write(self, name: str, content: bytes, dest: str, into: bool) -> None:
        """A file of a here-document: 0644 unless a mode is asked for."""
        if into or self._is_folder(dest):
            dest = f"{dest.rstrip('/')}/{name}"
        folder, _, last = dest.rstrip("/").rpartition("/")
        here, last = self._through_link(self.make_folders(folder), last)
        parent = open_in_root(self.target, here, os.O_RDONLY | os.O_DIRECTORY, follow=False)
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
            with open(os.open(last, flags, 0o600, dir_fd=parent), "wb") as file:
                file.write(content)
                os.fchown(file.fileno(), *(self.attributes.owner or (0, 0)))
                os.fchmod(file.fileno(), self.attributes.mode(0o100644) if self.attributes.mode else 0o644)
            os.utime(last, ns=(time.time_ns(),) * 2, dir_fd=parent)
        finally:
            os.close(parent)


def _join(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder and name else folder or name
