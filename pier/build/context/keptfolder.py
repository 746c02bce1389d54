"""A client's folder that stays from build to build: only what has changed is sent again."""

import os
import stat
from pathlib import Path

from pier.build.context.entry import Entry
from pier.build.context.freshfolder import FreshFolder
from pier.linux.files import open_in_root
from pier.linux.trees import remove_tree_at


class KeptFolder(FreshFolder):
    """Bring a folder that was filled before up to date. A file counts as unchanged by size, time and mode.

    Contents are written to new files: what was linked to the old one keeps it. The time is set last, so that a file of
    which only a part came is taken for a changed one.
    """

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self._seen: set[str] = set()
        self.size = 0
        """Bytes of all files."""

    def _place(self, number: int, told: Entry, parent: int, name: str) -> bool:
        self._seen.add(told.path)
        self.size += told.size if stat.S_ISREG(told.mode) else 0
        try:
            there = os.lstat(name, dir_fd=parent)
        except FileNotFoundError:
            return super()._place(number, told, parent, name)
        if stat.S_ISDIR(told.mode) and stat.S_ISDIR(there.st_mode):
            self._folders.append(told)
            return False
        if not told.link and _unchanged(there, told):
            return False
        remove_tree_at(parent, os.fsencode(name))
        return super()._place(number, told, parent, name)

    def done(self) -> None:
        """Remove what the client did not tell of."""
        self._sweep()
        super().done()

    def _sweep(self) -> None:
        pending = [""]
        while pending:
            above = pending.pop()
            folder = open_in_root(self._root, above, os.O_RDONLY | os.O_DIRECTORY, follow=False)
            try:
                pending += self._sweep_folder(folder, above)
            finally:
                os.close(folder)

    def _sweep_folder(self, folder: int, above: str) -> list[str]:
        """The folders in it that stay."""
        with os.scandir(folder) as entries:
            found = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
        for name, _ in found:
            if above + name not in self._seen:
                remove_tree_at(folder, os.fsencode(name))
        return [f"{above}{name}/" for name, is_folder in found if is_folder and above + name in self._seen]


def _unchanged(there: os.stat_result, told: Entry) -> bool:
    return (
        stat.S_ISREG(told.mode)
        and there.st_mode == told.mode
        and there.st_size == told.size
        and there.st_mtime_ns == told.modified
    )
