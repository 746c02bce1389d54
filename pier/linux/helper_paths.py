"""Paths of a container's tree, looked at without trusting any of it: openat2(2) with the tree as its root.

Magic links (``/proc/1/root`` and the like) are not followed: in a container that shares the host's processes
they would lead out of the tree, even after chroot(2).
"""

import os
import posixpath
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

from pier.linux.files import open_in_root

_MOST_LINKS: Final = 255


class Refused(Exception):
    """The work cannot be done as asked: an error kind's name, and the line that the user reads."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


@contextmanager
def opened(root: int, path: str, flags: int = os.O_PATH) -> Iterator[int]:
    """A descriptor of ``path`` below ``root``, links followed inside it, closed at the block's end."""
    descriptor = open_in_root(root, path, flags)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def split(path: str) -> tuple[str, str]:
    """Folder and last part of an absolute path; the part is empty after a slash, and ``.`` stays."""
    folder, _, base = path.rpartition("/")
    return folder or "/", base


def status(root: int, path: str) -> os.stat_result:
    """lstat(2) of ``path`` in the tree: links lead on everywhere but in the last part. Raises Refused."""
    folder, base = split(path)
    try:
        with opened(root, folder, os.O_PATH | os.O_DIRECTORY) as parent:
            return os.stat(base or ".", dir_fd=parent, follow_symlinks=False)
    except FileNotFoundError as error:
        raise Refused("NotFound", path) from error
    except NotADirectoryError as error:
        raise Refused("InvalidArgument", f"lstat {path}: not a directory") from error
    except OSError as error:
        raise Refused("InvalidArgument", f"lstat {path}: {(error.strerror or '').lower()}") from error


def describe(root: int, path: str) -> dict[str, Any]:
    """``mode`` (st_mode), ``size``, ``mtime`` (ns) and ``target``: where a link leads in the end, if it is one."""
    found = status(root, path)
    target = evaluate(root, path) if stat.S_ISLNK(found.st_mode) else ""
    return {"mode": found.st_mode, "size": found.st_size, "mtime": found.st_mtime_ns, "target": target}


def evaluate(root: int, path: str) -> str:
    """``path`` with all links resolved inside the tree; what does not exist is taken as it is."""
    pending = [part for part in path.split("/") if part][::-1]
    done: list[str] = []
    links = 0
    while pending:
        part = pending.pop()
        if part in (".", ""):
            continue
        if part == "..":
            del done[-1:]
            continue
        target = _link(root, "/" + "/".join(done), part)
        if target is None:
            done.append(part)
            continue
        links += 1
        if links > _MOST_LINKS:
            raise Refused("InvalidArgument", f"evaluate {path}: too many levels of symbolic links")
        if target.startswith("/"):
            done.clear()
        pending += target.split("/")[::-1]
    return posixpath.join("/", *done)


def _link(root: int, folder: str, name: str) -> str | None:
    with suppress(OSError), opened(root, folder, os.O_PATH | os.O_DIRECTORY) as parent:
        return os.readlink(name, dir_fd=parent)
    return None
