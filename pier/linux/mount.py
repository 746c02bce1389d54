"""Mounting: mount(2), umount2(2), and overlays of any number of layers.

Overlays are made with the new mount API (fsopen(2), fsconfig(2), one ``lowerdir+`` a layer) where the kernel
has it (6.8), because mount(2) takes one page of options only. Folders whose paths are too long, for either
interface, are named by descriptors (``/proc/self/fd/N``).
"""

import ctypes
import errno
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from pier.linux.libc import check, libc

_FLAGS: Final = {
    "ro": 0x1,
    "nosuid": 0x2,
    "nodev": 0x4,
    "noexec": 0x8,
    "remount": 0x20,
    "noatime": 0x400,
    "nodiratime": 0x800,
    "bind": 0x1000,
    "rbind": 0x1000 | 0x4000,
    "unbindable": 0x20000,
    "private": 0x40000,
    "rprivate": 0x40000 | 0x4000,
    "slave": 0x80000,
    "rslave": 0x80000 | 0x4000,
    "shared": 0x100000,
    "rshared": 0x100000 | 0x4000,
    "relatime": 0x200000,
    "strictatime": 0x1000000,
}
_MNT_DETACH: Final = 2
_UMOUNT_NOFOLLOW: Final = 8
_PAGE: Final = 4096

_SYS_MOVE_MOUNT: Final = 429
_SYS_FSOPEN: Final = 430
_SYS_FSCONFIG: Final = 431
_SYS_FSMOUNT: Final = 432
_SET_FLAG: Final = 0
_SET_STRING: Final = 1
_CREATE: Final = 6
_FSOPEN_CLOEXEC: Final = 1
_FSMOUNT_CLOEXEC: Final = 1
_MOUNT_ATTR_RDONLY: Final = 1
_MOVE_MOUNT_F_EMPTY_PATH: Final = 4
_AT_FDCWD: Final = -100
_VALUE_MAX: Final = 255
_OLD_KERNEL: Final = (errno.ENOSYS, errno.EINVAL)
_FOLDERS: Final = ("lowerdir", "upperdir", "workdir")


@dataclass(frozen=True, slots=True)
class Mount:
    """One mount. ``options`` are those of mount(8): flags (``ro``, ``bind``...) and the file system's own."""

    type: str
    source: str
    target: Path
    options: tuple[str, ...] = ()


def mount(wanted: Mount) -> None:
    """Mount. Raises OSError naming the target."""
    if wanted.type != "overlay":
        _classic(wanted)
        return
    try:
        descriptor = _detached(wanted)
    except OSError as error:
        if error.errno not in _OLD_KERNEL:
            raise
        _classic_overlay(wanted)
        return
    try:
        attach(descriptor, wanted.target)
    finally:
        os.close(descriptor)


def unmount(target: Path, *, detach: bool = False) -> None:
    """umount2(2), never following a symlink; ``detach`` (lazy) leaves a busy file system to its users."""
    flags = _UMOUNT_NOFOLLOW | (_MNT_DETACH if detach else 0)
    check(libc.umount2(os.fsencode(target), flags), target)


def mounted(path: Path) -> bool:
    """Whether something is mounted at the folder ``path``, also a bind of the same file system; not there is no."""
    try:
        return _mount_id(path) != _mount_id(path.parent)
    except (FileNotFoundError, NotADirectoryError):
        return False


def unmount_below(folder: Path) -> None:
    """Lazily unmount everything that is mounted at ``folder`` (an absolute path without links) or below it."""
    prefix = os.fsencode(folder)
    with open("/proc/self/mountinfo", "rb") as file:
        targets = [_unescaped(line.split(b" ", 5)[4]) for line in file]
    for target in reversed(targets):
        if target == prefix or target.startswith(prefix + b"/"):
            unmount(Path(os.fsdecode(target)), detach=True)


def _unescaped(text: bytes) -> bytes:
    """proc_pid_mountinfo(5): blanks and backslashes are written as octal numbers."""
    return re.sub(rb"\\([0-7]{3})", lambda match: bytes([int(match[1], 8)]), text)


def _mount_id(path: Path) -> bytes:
    """The ID of the mount that ``path`` is on (proc_pid_fdinfo(5)); a device number cannot tell a bind mount."""
    descriptor = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        with open(f"/proc/self/fdinfo/{descriptor}", "rb") as file:
            return next(line.split()[1] for line in file if line.startswith(b"mnt_id:"))
    finally:
        os.close(descriptor)


@contextmanager
def overlay(wanted: Mount) -> Iterator[int]:
    """The overlay, mounted nowhere: a descriptor of its root for openat(2) and the like; gone at the end.

    ``target`` must be there all the same: an older kernel needs it for a moment.
    """
    try:
        descriptor = _detached(wanted)
    except OSError as error:
        if error.errno not in _OLD_KERNEL:
            raise
        _classic_overlay(wanted)
        descriptor = os.open(wanted.target, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        unmount(wanted.target, detach=True)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _split(options: Sequence[str]) -> tuple[int, list[str]]:
    """The flags of mount(2), and the options that are the file system's own."""
    flags = 0
    data: list[str] = []
    for option in options:
        if option in _FLAGS:
            flags |= _FLAGS[option]
        elif option != "rw":
            data.append(option)
    return flags, data


def _detached(wanted: Mount) -> int:
    flags, data = _split(wanted.options)
    with ExitStack() as stack:
        context = check(libc.syscall(_SYS_FSOPEN, b"overlay", _FSOPEN_CLOEXEC), wanted.target)
        stack.callback(os.close, context)
        _set(context, "source", wanted.source)
        for option in data:
            key, _, value = option.partition("=")
            if not value:
                check(libc.syscall(_SYS_FSCONFIG, context, _SET_FLAG, key.encode(), None, 0), option)
                continue
            for folder in value.split(":") if key == "lowerdir" else [value]:
                _set(context, "lowerdir+" if key == "lowerdir" else key, _shortened(stack, folder))
        if flags & _FLAGS["ro"]:
            check(libc.syscall(_SYS_FSCONFIG, context, _SET_FLAG, b"ro", None, 0), wanted.target)
        if libc.syscall(_SYS_FSCONFIG, context, _CREATE, None, None, 0) < 0:
            _fail(context, wanted.target)
        attributes = _MOUNT_ATTR_RDONLY if flags & _FLAGS["ro"] else 0
        return check(libc.syscall(_SYS_FSMOUNT, context, _FSMOUNT_CLOEXEC, attributes), wanted.target)


def _set(context: int, key: str, value: str) -> None:
    check(libc.syscall(_SYS_FSCONFIG, context, _SET_STRING, key.encode(), os.fsencode(value), 0), value)


def _shortened(stack: ExitStack, folder: str) -> str:
    if len(os.fsencode(folder)) <= _VALUE_MAX:
        return folder
    return _by_descriptor(stack, folder)


def _by_descriptor(stack: ExitStack, folder: str) -> str:
    descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    stack.callback(os.close, descriptor)
    return f"/proc/self/fd/{descriptor}"


def _fail(context: int, target: Path) -> None:
    """Raise errno, with what the file system says about it (fsopen(2), "message retrieval")."""
    number = ctypes.get_errno()
    try:
        said = os.read(context, _PAGE).decode(errors="replace").strip()
    except OSError:
        said = ""
    raise OSError(number, f"{os.strerror(number)} ({said[2:]})" if said else os.strerror(number), os.fspath(target))


def attach(descriptor: int, target: Path) -> None:
    """Put the detached mount of a descriptor at ``target``."""
    flags = _MOVE_MOUNT_F_EMPTY_PATH
    check(libc.syscall(_SYS_MOVE_MOUNT, descriptor, b"", _AT_FDCWD, os.fsencode(target), flags), target)


def _classic(wanted: Mount) -> None:
    flags, data = _split(wanted.options)
    source, kind, text = os.fsencode(wanted.source), wanted.type.encode(), os.fsencode(",".join(data))
    check(libc.mount(source, os.fsencode(wanted.target), kind, flags, text), wanted.target)


def _classic_overlay(wanted: Mount) -> None:
    if sum(len(option) + 1 for option in wanted.options) < _PAGE:
        _classic(wanted)
        return
    with ExitStack() as stack:
        options = []
        for option in wanted.options:
            key, equals, value = option.partition("=")
            if key in _FOLDERS:
                value = ":".join(_by_descriptor(stack, folder) for folder in value.split(":"))
            options.append(key + equals + value)
        _classic(replace(wanted, options=tuple(options)))
