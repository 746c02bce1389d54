"""Places in the tree that is copied into: what a path leads to there, and the folders that are missing.

Every link is followed inside the tree, also one that leads to nothing: what is copied through it is made where it
points. All of it blocks.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager

from pier.errors import InvalidArgument
from pier.linux.files import PATH_MAX, open_in_root, shortened
from pier.linux.helper_paths import Refused, evaluate


class Places:
    """``root``: a descriptor. ``owner``: of the folders that are made.

    Paths that are returned, and those that are called resolved, are below the root, without links; empty is the root.
    """

    def __init__(self, root: int, owner: tuple[int, int]) -> None:
        self._root = root
        self._owner = owner

    def resolve(self, path: str) -> str:
        """``path`` without links; what is not there is taken as it is written. Raises InvalidArgument."""
        if len(os.fsencode(path)) >= PATH_MAX:
            raise InvalidArgument(f"lstat {shortened(path)}: file name too long")
        try:
            return evaluate(self._root, path).strip("/")
        except Refused:
            raise InvalidArgument("too many links") from None

    def status(self, resolved: str) -> os.stat_result | None:
        """Of what is there; None where nothing is. Raises InvalidArgument."""
        folder, _, name = resolved.rpartition("/")
        try:
            with self.opened(folder) as parent:
                return os.stat(name or ".", dir_fd=parent, follow_symlinks=False)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise InvalidArgument(f"lstat {shortened(f'/{resolved}')}: {(error.strerror or '').lower()}") from error

    def is_folder(self, resolved: str) -> bool:
        found = self.status(resolved)
        return found is not None and stat.S_ISDIR(found.st_mode)

    def make_folders(self, path: str) -> str:
        """``mkdir -p``; returns it resolved. What is made is 0755. InvalidArgument where a file is in the way."""
        resolved = self.resolve(path)
        if self._there(resolved):
            return resolved
        built = ""
        for part in resolved.split("/"):
            above, built = built, join(built, part)
            if not self._there(built):
                self._mkdir(above, part)
        return resolved

    @contextmanager
    def opened(self, resolved: str) -> Iterator[int]:
        """A descriptor of a folder, closed at the block's end."""
        descriptor = open_in_root(self._root, resolved, os.O_RDONLY | os.O_DIRECTORY, follow=False)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def touch(self, resolved: str, modified: int) -> None:
        """Set a folder's time of modification (ns)."""
        with self.opened(resolved) as folder:
            os.utime(folder, ns=(modified, modified))

    def _there(self, resolved: str) -> bool:
        """Whether it is there, and a folder."""
        found = self.status(resolved)
        if found is not None and not stat.S_ISDIR(found.st_mode):
            raise InvalidArgument(f"mkdir /{resolved}: not a directory")
        return found is not None

    def _mkdir(self, above: str, name: str) -> None:
        with self.opened(above) as parent:
            os.mkdir(name, 0o700, dir_fd=parent)
            os.chown(name, *self._owner, dir_fd=parent)
            os.chmod(name, 0o755, dir_fd=parent)


def join(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder and name else folder or name
