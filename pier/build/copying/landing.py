"""Where the files of COPY and ADD come to lie, and as what: folders are made, files listed for the transfer.

All of it blocks.
"""

import os
import stat
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field

from pier.build.context.select import Below, Found
from pier.build.copying.places import Places, join
from pier.errors import InvalidArgument
from pier.linux.files import USER_XATTR, open_in_root
from pier.linux.transfer import FILE, NODE, SYMLINK, Group, copy_xattrs

Mode = Callable[[int], int]


@dataclass(frozen=True, slots=True)
class Attributes:
    """``owner``: of everything, None: as the source has it (0:0 from a context). ``mode`` gives a file's mode anew."""

    owner: tuple[int, int] | None
    mode: Mode | None
    owned: bool

    @property
    def xattrs(self) -> str:
        """What the names of the extended attributes begin with that are kept: a context's own are for its user."""
        return "" if self.owned else USER_XATTR

    def of(self, status: os.stat_result) -> tuple[int, int, int]:
        """Mode with the kind, owner, group."""
        mode = status.st_mode
        if self.mode is not None and not stat.S_ISLNK(mode):
            mode = stat.S_IFMT(mode) | self.mode(mode)
        owner = self.owner or ((status.st_uid, status.st_gid) if self.owned else (0, 0))
        return (mode, *owner)


@dataclass
class Landing:
    """``links``: further names of a file (here) of what landed first. ``times``: of folders, to be set at the end.

    ``placed``: paths of files, None where only one thing is copied. ``maker`` owns the folders that are made on the
    way, None: the owner of everything, or root.
    """

    source: int
    target: int
    attributes: Attributes
    placed: set[str] | None = None
    maker: tuple[int, int] | None = None
    groups: dict[tuple[str, str], Group] = field(default_factory=dict)
    links: list[tuple[str, str]] = field(default_factory=list)
    times: list[tuple[str, int]] = field(default_factory=list)
    _seen: dict[tuple[int, int], str] = field(default_factory=dict)
    _arrived: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.places = Places(self.target, self.maker or self.attributes.owner or (0, 0))

    def put(self, found: Found, below: Iterable[Below], dest: str) -> bool:
        """``found`` at ``dest``, or in the folder that is there. ``below`` is read once, twice if there are ``placed``.
        Raises InvalidArgument.

        False, and nothing is done, where files would come to lie on what has been put: that must be moved first.
        """
        at = self._arrive(dest)
        there = self.places.status(at)
        is_folder = there is not None and stat.S_ISDIR(there.st_mode)
        if not found.is_folder:
            at = join(at, found.name) if is_folder else at
        elif there is not None and not is_folder:
            raise InvalidArgument(f"cannot copy to non-directory: /{at}")
        if not self._may_place(found, below, at):
            return False
        self._seen.clear()
        if found.is_folder:
            self._top(found, at, there)
            self._fill(found.path, at, below)
        else:
            folder, _, name = at.rpartition("/")
            there_folder, _, source_name = found.path.rpartition("/")
            self._list(there_folder, source_name, folder, name, found.status)
        return True

    def _arrive(self, dest: str) -> str:
        """``dest`` without links; folders are made as far as it says that they are some."""
        if dest in self._arrived:
            return self._arrived[dest]
        self.places.make_folders(dest if dest.endswith("/") else dest.rpartition("/")[0])
        at = self.places.resolve(dest)
        self.places.make_folders(at.rpartition("/")[0])
        if dest.endswith("/"):
            self._arrived[dest] = at
        return at

    def _may_place(self, found: Found, below: Iterable[Below], at: str) -> bool:
        if self.placed is None:
            return True
        files = (path for path, status in below if not stat.S_ISDIR(status.st_mode))
        paths = {join(at, path) for path in files} if found.is_folder else {at}
        if not self.placed.isdisjoint(paths):
            return False
        self.placed |= paths
        return True

    def _top(self, found: Found, at: str, there: os.stat_result | None) -> None:
        """The copied folder itself gives the one here only its time, and a context's root not even that."""
        if there is None:
            self.places.make_folders(at)
        if found.path or self.attributes.owned:
            self.times.append((at, found.status.st_mtime_ns))

    def parents(self, path: str, anchor: str, dest: str, root: int) -> None:
        """The folders of ``anchor`` below ``dest``, made as the source has them (``--parents``)."""
        for count in range(1, len(anchor.split("/"))):
            part = "/".join(anchor.split("/")[:count])
            there = open_in_root(root, f"{path}/{part}" if path else part, os.O_PATH | os.O_DIRECTORY)
            try:
                self._parent(f"{dest.rstrip('/')}/{part}", os.fstat(there))
            finally:
                os.close(there)

    def _parent(self, dest: str, status: os.stat_result) -> None:
        at = self.places.resolve(dest)
        if self.places.status(at) is None:
            self.places.make_folders(at)
            above, _, name = at.rpartition("/")
            with self.places.opened(above) as parent:
                self._dress(parent, name, at, status)
                os.chmod(name, stat.S_IMODE(status.st_mode), dir_fd=parent)  # --chmod is for what is in it

    def finish(self) -> None:
        """After the transfer: further names, then the times of folders."""
        for first, name in self.links:
            self._link(first, name)
        for path, modified in self.times:
            self.places.touch(path, modified)

    def _fill(self, there: str, here: str, below: Iterable[Below]) -> None:
        for path, status in below:
            folder, _, name = path.rpartition("/")
            from_, to = join(there, folder), join(here, folder)
            if stat.S_ISDIR(status.st_mode):
                self._folder(to, name, from_, status)
            else:
                self._list(from_, name, to, name, status)

    def _list(self, there: str, name: str, here: str, landing: str, status: os.stat_result) -> None:
        if status.st_nlink > 1 and stat.S_ISREG(status.st_mode):
            first = self._seen.setdefault((status.st_dev, status.st_ino), join(here, landing))
            if first != join(here, landing):
                self.links.append((first, join(here, landing)))
                return
        mode, owner, group = self.attributes.of(status)
        kind = FILE if stat.S_ISREG(mode) else SYMLINK if stat.S_ISLNK(mode) else NODE
        size = status.st_rdev if kind == NODE else status.st_size
        if stat.S_ISSOCK(mode):
            if self.attributes.owned:
                return
            mode = stat.S_IFREG | stat.S_IMODE(mode)  # BuildKit's clients send it as an empty file
        listed = self.groups.setdefault((there, here), (there, here, []))
        listed[2].append((kind, name, landing, mode, owner, group, status.st_mtime_ns, size))

    def _folder(self, above: str, name: str, there: str, status: os.stat_result) -> None:
        """A folder below the copied one: there or not, it becomes what the source's is."""
        path = join(above, name)
        with self.places.opened(above) as parent:
            try:
                os.mkdir(name, 0o700, dir_fd=parent)
            except FileExistsError:
                if not stat.S_ISDIR(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode):
                    raise InvalidArgument(f"cannot copy to non-directory: /{path}") from None
            self._dress(parent, name, path, status)
        self._xattrs(join(there, name), path)

    def _dress(self, parent: int, name: str, path: str, status: os.stat_result) -> None:
        mode, owner, group = self.attributes.of(status)
        os.chown(name, owner, group, dir_fd=parent)
        os.chmod(name, stat.S_IMODE(mode), dir_fd=parent)
        self.times.append((path, status.st_mtime_ns))

    def _link(self, first: str, name: str) -> None:
        (from_, source), (to, base) = ((each.rpartition("/")[0], each.rpartition("/")[2]) for each in (first, name))
        with self.places.opened(from_) as there, self.places.opened(to) as here:
            unlink(here, base, name)
            os.link(source, base, src_dir_fd=there, dst_dir_fd=here, follow_symlinks=False)

    def _xattrs(self, there: str, here: str) -> None:
        source = open_in_root(self.source, there, os.O_RDONLY | os.O_DIRECTORY, follow=False)
        try:
            with self.places.opened(here) as target:
                copy_xattrs(source, target, self.attributes.xattrs)
        finally:
            os.close(source)

    def write(self, name: str, content: bytes, dest: str) -> None:
        """A file of a here-document: 0644 unless a mode is asked for."""
        at = self._arrive(dest)
        at = join(at, name) if self.places.is_folder(at) else at
        folder, _, last = at.rpartition("/")
        with self.places.opened(folder) as parent:
            unlink(parent, last, at)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            with open(os.open(last, flags, 0o600, dir_fd=parent), "wb") as file:
                file.write(content)
                os.fchown(file.fileno(), *(self.attributes.owner or (0, 0)))
                os.fchmod(file.fileno(), self.attributes.mode(0o100644) if self.attributes.mode else 0o644)
            os.utime(last, ns=(time.time_ns(),) * 2, dir_fd=parent)


def unlink(folder: int, name: str, path: str) -> None:
    """Take away what is at ``name``, if anything is. InvalidArgument for a folder."""
    try:
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=folder)
    except IsADirectoryError as error:
        raise not_replaced(path) from error


def not_replaced(path: str) -> InvalidArgument:
    return InvalidArgument(f"cannot replace to directory /{path} with file")
