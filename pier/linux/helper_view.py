"""A mount namespace of this process's own, with a container's file systems mounted in it: unshare(2).

What is mounted here is seen by nobody else, and is gone with the process, however it ends.
"""

import os
import stat
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from pier.linux.files import open_in_root
from pier.linux.libc import check, libc
from pier.linux.mount import Mount, mount

_CLONE_NEWNS: Final = 0x20000
_MS_REC_PRIVATE: Final = 0x40000 | 0x4000
_MS_REC_BIND: Final = 0x1000 | 0x4000
_MS_REMOUNT_RO: Final = 0x1000 | 0x20 | 0x1


def open_view(root: Path, mounts: Sequence[dict[str, Any]], binds: Sequence[dict[str, Any]]) -> int:
    """Mount ``mounts`` on the host's paths, in order, then ``binds`` inside ``root``; a descriptor of ``root``.

    A bind is ``{"source", "target", "read_only"}``; its target is resolved, and made, inside ``root``.
    """
    check(libc.unshare(_CLONE_NEWNS))
    check(libc.mount(b"none", b"/", None, _MS_REC_PRIVATE, None))
    for each in mounts:
        _make_folders(each["options"])
        mount(Mount(each["type"], each["source"], Path(each["target"]), tuple(each["options"])))
    folder = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    for each in binds:
        with suppress(FileNotFoundError):  # the source is gone: the container could not start either
            _bind(folder, each["source"], each["target"], each["read_only"])
    return folder


def _make_folders(options: Sequence[str]) -> None:
    """An overlay's writable folders may lie in what was mounted just before."""
    for option in options:
        key, _, folder = option.partition("=")
        if key in ("upperdir", "workdir"):
            os.makedirs(folder, exist_ok=True)


def _bind(root: int, source: str, target: str, read_only: bool) -> None:
    is_folder = stat.S_ISDIR(os.stat(source).st_mode)
    descriptor = _target(root, target, is_folder)
    place = f"/proc/self/fd/{descriptor}".encode()
    try:
        check(libc.mount(os.fsencode(source), place, None, _MS_REC_BIND, None), target)
    finally:
        os.close(descriptor)
    if read_only:
        descriptor = open_in_root(root, target, os.O_PATH)
        try:
            place = f"/proc/self/fd/{descriptor}".encode()
            check(libc.mount(None, place, None, _MS_REMOUNT_RO, None), target)
        finally:
            os.close(descriptor)


def _target(root: int, target: str, is_folder: bool) -> int:
    """Where to mount: made, as the runtime would make it, where it is not there yet."""
    with suppress(FileNotFoundError):
        return open_in_root(root, target, os.O_PATH)
    parts = target.strip("/").split("/")
    for depth in range(1, len(parts) + 1):
        above, name = "/" + "/".join(parts[: depth - 1]), parts[depth - 1]
        parent = open_in_root(root, above, os.O_RDONLY | os.O_DIRECTORY)
        try:
            with suppress(FileExistsError):
                if depth == len(parts) and not is_folder:
                    os.close(os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644, dir_fd=parent))
                else:
                    os.mkdir(name, 0o755, dir_fd=parent)
        finally:
            os.close(parent)
    return open_in_root(root, target, os.O_PATH)
