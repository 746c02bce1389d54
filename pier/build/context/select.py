"""What a step's patterns mean in a tree: the files that they name, and what lies below those.

Everything is resolved inside the tree: links lead wherever they like in it and nowhere else. All of it blocks.
"""

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pier.build.context.patterns import components, is_wild, matcher
from pier.errors import InvalidArgument, NotFound
from pier.linux.files import open_in_root
from pier.oci.ignore import Matcher

Skip = Callable[[str, bool], bool]
"""Of a path below the root, and whether it is a folder: leave it out?"""


@dataclass(frozen=True, slots=True)
class Found:
    """``path``: below the root, without links, empty for the root. ``anchor``: as the pattern has it, for the name
    that it lands under, and for ``--parents``."""

    path: str
    anchor: str
    status: os.stat_result

    @property
    def is_folder(self) -> bool:
        return stat.S_ISDIR(self.status.st_mode)

    @property
    def name(self) -> str:
        return self.anchor.rpartition("/")[2]


@contextmanager
def opened_tree(folder: Path) -> Iterator[int]:
    descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def find(root: int, pattern: str, excluded: Matcher | None = None) -> list[Found]:
    """What ``pattern`` names below ``root``, by name. NotFound where it is nothing; InvalidArgument for no pattern."""
    parts = components(pattern)
    wild = any(is_wild(part) for part in parts)
    names = sorted(_expand(root, "", parts)) if wild else ["/".join(parts)]
    found = [each for each in (_look(root, name) for name in names) if each is not None]
    if excluded:
        found = [each for each in found if not each.path or not _left_out(each, excluded)]
    if not found:
        raise NotFound(f'"/{"/".join(parts)}": not found')
    return found


def _left_out(found: Found, excluded: Matcher) -> bool:
    if not excluded.excludes(found.path, found.is_folder):
        return False
    return not (found.is_folder and excluded.may_contain_included(found.path))


def _expand(root: int, above: str, parts: list[str]) -> Iterator[str]:
    """Paths that match, as written; of wild components only names that are there."""
    if not parts:
        yield above
        return
    part, rest = parts[0], parts[1:]
    if not is_wild(part):
        yield from _expand(root, f"{above}/{part}" if above else part, rest)
        return
    matches = matcher(part)
    for name in _names(root, above):
        if matches(name):
            yield from _expand(root, f"{above}/{name}" if above else name, rest)


def _names(root: int, folder: str) -> list[str]:
    try:
        descriptor = open_in_root(root, folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return []
    try:
        return os.listdir(descriptor)
    finally:
        os.close(descriptor)


def _look(root: int, name: str) -> Found | None:
    try:
        descriptor = open_in_root(root, name, os.O_PATH)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise InvalidArgument(f'"/{name}": {(error.strerror or "").lower()}') from error
    try:
        return Found(_resolved(root, descriptor), name, os.fstat(descriptor))
    finally:
        os.close(descriptor)


def _resolved(root: int, descriptor: int) -> str:
    top, path = os.readlink(f"/proc/self/fd/{root}"), os.readlink(f"/proc/self/fd/{descriptor}")
    return path[len(top) :].strip("/") if top != "/" else path.strip("/")


def walk(root: int, found: Found, skip: Skip | None) -> dict[str, os.stat_result]:
    """What lies below a folder, by path below it; folders before what is in them. Links are not followed."""
    entries: dict[str, os.stat_result] = {}
    top = open_in_root(root, found.path, os.O_RDONLY | os.O_DIRECTORY, follow=False)
    try:
        if skip is None:
            _walk_all(f"/proc/self/fd/{top}/", "", entries)
        else:
            _walk_some(f"/proc/self/fd/{top}/", "", entries, skip)
    finally:
        os.close(top)
    return entries


def _walk_all(base: str, below: str, entries: dict[str, os.stat_result]) -> None:
    folders = []
    with os.scandir(base + below) as found:
        for each in found:
            path = below + each.name
            entries[path] = each.stat(follow_symlinks=False)
            if each.is_dir(follow_symlinks=False):
                folders.append(path + "/")
    for folder in folders:
        _walk_all(base, folder, entries)


def _walk_some(base: str, below: str, entries: dict[str, os.stat_result], skip: Skip) -> None:
    folders = []
    with os.scandir(base + below) as found:
        for each in found:
            path = below + each.name
            is_folder = each.is_dir(follow_symlinks=False)
            if skip(path, is_folder):
                continue
            entries[path] = each.stat(follow_symlinks=False)
            if is_folder:
                folders.append(path + "/")
    for folder in folders:
        _walk_some(base, folder, entries, skip)


def skipping(found: Found, ignored: Matcher | None, excluded: Matcher | None) -> Skip | None:
    """What to leave out below ``found``: by .dockerignore, and by ``--exclude`` (of the folder copied, or the root).

    A folder that is left out but may hold what is not stays, without that counting for more than the folder.
    """
    if not ignored and not excluded:
        return None
    above = f"{found.path}/" if found.path else ""

    def skip(path: str, is_folder: bool) -> bool:
        for matcher_, name in ((ignored, above + path), (excluded, path), (excluded, above + path)):
            kept = is_folder and matcher_ and matcher_.may_contain_included(name)
            if matcher_ and matcher_.excludes(name, is_folder) and not kept:
                return True
        return False

    return skip
