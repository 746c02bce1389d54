"""What a step's patterns mean in a tree: the files that they name, and what lies below those.

Everything is resolved inside the tree: links lead wherever they like in it and nowhere else. All of it blocks.
"""

import errno
import os
import secrets
import stat
import string
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pier.build.context.patterns import components, is_wild, matcher
from pier.errors import InvalidArgument, NotFound
from pier.linux.files import open_in_root, shortened
from pier.linux.helper_paths import evaluate
from pier.oci.ignore import Matcher

_NAMING: Final = string.ascii_lowercase + string.digits

Below = tuple[str, os.stat_result]
"""A path below a folder, and what is there."""

Skip = Callable[[str, bool], bool | None]
"""Of a path below the root, and whether it is a folder: leave it out? None: unless something stays of what is in it."""


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


def find(root: int, pattern: str, excluded: Matcher | None = None, *, deep: bool = False) -> list[Found]:
    """What ``pattern`` names below ``root``, by name. As Docker has it, a pattern may match nothing at all.

    ``deep``: ``**`` is any number of folders, none too (``--parents``); else it is what ``*`` is.
    NotFound where a name without wildcards, or the folder in which names are matched, is not there; InvalidArgument
    for no pattern.
    """
    parts = components(pattern)
    for part in parts:
        matcher(part)
    wild = next((number for number, part in enumerate(parts) if is_wild(part)), None)
    if wild is not None:
        folder = "/".join(parts[:wild])
        if _look(root, folder) is None or _left_out(folder, excluded):
            raise NotFound(f"lstat /{folder}: no such file or directory")
        matched = sorted(set(_expand(root, folder, parts[wild:], excluded, deep)))
        found = [_found(root, name, excluded) for name in matched if not _left_out(name, excluded)]
        return list(_outermost(found)) if deep else found
    name = "/".join(parts)
    if _left_out(name, excluded):
        raise NotFound(_no_checksum(f'"/{name}": not found'))
    return [_found(root, name, excluded)]


def _outermost(found: list[Found]) -> Iterator[Found]:
    """Without what comes with a folder that is found too."""
    folders = {each.anchor for each in found if each.is_folder}
    for each in found:
        parts = each.anchor.split("/")
        if not any("/".join(parts[:count]) in folders for count in range(1, len(parts))):
            yield each


def _found(root: int, name: str, excluded: Matcher | None) -> Found:
    found = _look(root, name)
    if found is None or _left_out(found.path, excluded, found.is_folder):
        raise NotFound(_no_checksum(f'"/{_led_to(root, name)}": not found'))
    return found


def _left_out(path: str, excluded: Matcher | None, is_folder: bool = True) -> bool:
    """A folder that may hold something that is not left out is not."""
    if not excluded or not path or not excluded.excludes(path, is_folder):
        return False
    return not (is_folder and excluded.may_contain_included(path))


def _no_checksum(reason: str) -> str:
    reference = "".join(secrets.choice(_NAMING) for _ in range(25))
    return f"failed to compute cache key: failed to calculate checksum of ref {reference}: {reason}"


def _led_to(root: int, name: str) -> str:
    """The name that is missed: where a link should lead, if it is one."""
    above, _, last = name.rpartition("/")
    try:
        folder = open_in_root(root, above, os.O_PATH | os.O_DIRECTORY)
    except OSError:
        return name
    try:
        os.readlink(last, dir_fd=folder)
    except OSError:
        return name
    finally:
        os.close(folder)
    return evaluate(root, name).lstrip("/")


def _expand(root: int, folder: str, parts: list[str], excluded: Matcher | None, deep: bool) -> Iterator[str]:
    """Paths that match ``parts``, of which the first is wild: only what is there. No links are followed for it."""
    pending = [(folder, parts)]
    while pending:
        above, (part, *rest) = pending.pop()
        any_depth = deep and part == "**" and bool(rest)
        if any_depth:
            pending.append((above, rest))
        matches = matcher(part) if is_wild(part) else part.__eq__
        for name in filter(matches, _names(root, above)):
            path = f"{above}/{name}" if above else name
            if not rest:
                yield path
            elif _is_folder(root, path) and not _left_out(path, excluded):
                pending.append((path, [part, *rest] if any_depth else rest))


def _names(root: int, folder: str) -> list[str]:
    try:
        descriptor = open_in_root(root, folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return []
    try:
        return os.listdir(descriptor)
    finally:
        os.close(descriptor)


def _is_folder(root: int, path: str) -> bool:
    above, _, name = path.rpartition("/")
    try:
        folder = open_in_root(root, above, os.O_PATH | os.O_DIRECTORY)
    except OSError:
        return False
    try:
        return stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
    except OSError:
        return False
    finally:
        os.close(folder)


def _look(root: int, name: str) -> Found | None:
    try:
        descriptor = open_in_root(root, name, os.O_PATH)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise InvalidArgument(_no_checksum(f"too many symlinks: /{name}")) from error
        raise InvalidArgument(f'"/{shortened(name)}": {(error.strerror or "").lower()}') from error
    try:
        return Found(_resolved(root, descriptor), name, os.fstat(descriptor))
    finally:
        os.close(descriptor)


def _resolved(root: int, descriptor: int) -> str:
    top, path = os.readlink(f"/proc/self/fd/{root}"), os.readlink(f"/proc/self/fd/{descriptor}")
    return path[len(top) :].strip("/") if top != "/" else path.strip("/")


def walk(root: int, found: Found, skip: Skip | None) -> Iterator[Below]:
    """What lies below a folder, with its path there; folders before what is in them. Links are not followed.

    One at a time: a ``stat_result`` is most of a kilobyte.
    """
    top = open_in_root(root, found.path, os.O_RDONLY | os.O_DIRECTORY, follow=False)
    try:
        base = f"/proc/self/fd/{top}/"
        yield from _walk_all(base) if skip is None else _walk_some(base, skip)
    finally:
        os.close(top)


def _walk_all(base: str) -> Iterator[Below]:
    folders = [""]
    while folders:
        below = folders.pop()
        with os.scandir(base + below) as found:
            for each in found:
                path = below + each.name
                yield path, each.stat(follow_symlinks=False)
                if each.is_dir(follow_symlinks=False):
                    folders.append(path + "/")


def _walk_some(base: str, skip: Skip) -> Iterator[Below]:
    folders, if_filled = [""], dict[str, os.stat_result]()
    while folders:
        below = folders.pop()
        with os.scandir(base + below) as found:
            for each in found:
                path = below + each.name
                is_folder = each.is_dir(follow_symlinks=False)
                left_out = skip(path, is_folder)
                if left_out:
                    continue
                if is_folder:
                    folders.append(path + "/")
                if left_out is None:
                    if_filled[path] = each.stat(follow_symlinks=False)
                    continue
                yield from _filled(if_filled, below[:-1])
                yield path, each.stat(follow_symlinks=False)


def _filled(waiting: dict[str, os.stat_result], folder: str) -> Iterator[Below]:
    """The folder and those above it, as far as they have waited for something in them."""
    found = []
    while folder in waiting:
        found.append((folder, waiting.pop(folder)))
        folder = folder.rpartition("/")[0]
    return reversed(found)


def skipping(found: Found, ignored: Matcher | None, excluded: Matcher | None) -> Skip | None:
    """What to leave out below ``found``: by .dockerignore, and by ``--exclude`` (of the folder copied, or the root).

    A folder that is left out but may hold what is not is looked into.
    """
    if not ignored and not excluded:
        return None
    above = f"{found.path}/" if found.path else ""

    def skip(path: str, is_folder: bool) -> bool | None:
        left_out: bool | None = False
        for matcher_, name in ((ignored, above + path), (excluded, path), (excluded, above + path)):
            if matcher_ and matcher_.excludes(name, is_folder):
                if not (is_folder and matcher_.may_contain_included(name)):
                    return True
                left_out = None
        return left_out

    return skip
