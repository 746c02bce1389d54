"""User namespaces, and mounts whose owners are shifted by one: user_namespaces(7), mount_setattr(2).

A process of several threads cannot make or enter a user namespace, so a small child makes it (unshare(1)) and
is let go once the namespace is held by a descriptor or pinned at a path. All calls block.
"""

import contextlib
import ctypes
import errno
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final, NamedTuple

from pier.linux.libc import check, libc
from pier.linux.mount import Mount, attach, mount, unmount
from pier.linux.process import contents, spawn_sync

_SYS_OPEN_TREE: Final = 428
_SYS_MOUNT_SETATTR: Final = 442
_AT_FDCWD: Final = -100
_AT_EMPTY_PATH: Final = 0x1000
_OPEN_TREE_CLONE: Final = 1
_MOUNT_ATTR_IDMAP: Final = 0x00100000
_MS_BIND: Final = 0x1000
_MS_PRIVATE: Final = 1 << 18
_FOLDERS: Final = ("lowerdir", "upperdir", "workdir")


class Extent(NamedTuple):
    """``size`` ids from ``inside`` on in the namespace are those from ``outside`` on in the host's."""

    inside: int
    outside: int
    size: int


class _MountAttr(ctypes.Structure):
    _fields_ = [
        ("attr_set", ctypes.c_uint64),
        ("attr_clr", ctypes.c_uint64),
        ("propagation", ctypes.c_uint64),
        ("userns_fd", ctypes.c_uint64),
    ]


def new(uids: Sequence[Extent], gids: Sequence[Extent]) -> int:
    """A new user namespace: a descriptor that keeps it. OSError where the host allows none."""
    with held(["unshare", "--user"]) as pid:
        for table, extents in (("uid_map", uids), ("gid_map", gids)):
            lines = "".join(f"{each.inside} {each.outside} {each.size}\n" for each in extents)
            Path(f"/proc/{pid}/{table}").write_text(lines)
        return os.open(f"/proc/{pid}/ns/user", os.O_RDONLY | os.O_CLOEXEC)


def pin(namespace: int, path: Path) -> None:
    """Pin the namespace of a descriptor at ``path``, which is created."""
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDONLY | os.O_CLOEXEC, 0o444))
    check(libc.mount(f"/proc/self/fd/{namespace}".encode(), os.fsencode(path), None, _MS_BIND, None), path)


@contextlib.contextmanager
def held(argv: Sequence[str]) -> Iterator[int]:
    """The pid of a child that ``argv`` (unshare(1), nsenter(1)) has put into namespaces, while the block runs."""
    asked, ask = os.pipe2(os.O_CLOEXEC)
    answer, answering = os.pipe2(os.O_CLOEXEC)
    complaints = os.memfd_create("namespaces")
    try:
        try:
            child = spawn_sync([*argv, "cat"], stdin=asked, stdout=answering, stderr=complaints)
        finally:
            os.close(asked)
            os.close(answering)
        try:
            with contextlib.suppress(BrokenPipeError):
                os.write(ask, b"?")
            if not os.read(answer, 1):
                said = contents(complaints).decode(errors="replace").strip()
                raise OSError(errno.EOPNOTSUPP, said or f"{argv[0]} failed")
            yield child.pid
        finally:
            os.close(ask)
            ask = -1
            child.wait_sync()
    finally:
        for descriptor in (ask, answer, complaints):
            if descriptor >= 0:
                os.close(descriptor)


def mount_mapped(source: str | os.PathLike[str], target: Path, namespace: int) -> None:
    """Show ``source`` at ``target`` (both folders, or both files) with the owners that ``namespace`` makes of its.

    What is mounted below ``source`` is not shown. OSError EINVAL where its file system, or the kernel, cannot.
    """
    tree = check(
        libc.syscall(_SYS_OPEN_TREE, _AT_FDCWD, os.fsencode(source), _OPEN_TREE_CLONE | os.O_CLOEXEC), os.fspath(source)
    )
    try:
        # A clone of a shared mount is its peer: taking the clone away would take away, in the original, too, what was
        # mounted meanwhile (mount_namespaces(7)). On hosts with systemd every mount is shared.
        wanted = _MountAttr(_MOUNT_ATTR_IDMAP, 0, _MS_PRIVATE, namespace)
        size = ctypes.sizeof(wanted)
        check(libc.syscall(_SYS_MOUNT_SETATTR, tree, b"", _AT_EMPTY_PATH, ctypes.byref(wanted), size), source)
        attach(tree, target)
    finally:
        os.close(tree)


def mount_overlay_mapped(wanted: Mount, place: Path, namespace: int) -> None:
    """Mount an overlay over layers whose owners ``namespace`` shifts. ``place`` is an empty folder to use meanwhile.

    The kernel makes the overlay's own files as the host's root: ``namespace`` has to map that id, too, or the
    kernel mounts read-only, which raises OSError EROFS here.
    """
    options = dict(option.partition("=")[::2] for option in wanted.options)
    folders = [path for key in _FOLDERS for path in options.get(key, "").split(":") if path]
    tree = os.path.commonpath(folders)
    mount_mapped(tree, place, namespace)
    try:
        mount(replace(wanted, options=tuple(_moved(option, tree, place) for option in wanted.options)))
    finally:
        unmount(place, detach=True)  # the overlay keeps its layers itself
    if "upperdir" in options and os.statvfs(wanted.target).f_flag & os.ST_RDONLY:
        unmount(wanted.target)
        raise OSError(errno.EROFS, "the kernel mounts the overlay read-only", os.fspath(wanted.target))


def _moved(option: str, tree: str, place: Path) -> str:
    key, equals, value = option.partition("=")
    if key not in _FOLDERS:
        return option
    return key + equals + ":".join(os.path.join(place, os.path.relpath(path, tree)) for path in value.split(":"))
