"""Files: opening below a root that is not trusted, replacing whole files, whiteouts, locks."""

import ctypes
import errno
import fcntl
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from pier.errors import InvalidArgument, NoSpace
from pier.linux.libc import check, libc

_SYS_OPENAT2: Final = 437
_RESOLVE_NO_XDEV: Final = 0x01
_RESOLVE_NO_MAGICLINKS: Final = 0x02
_RESOLVE_NO_SYMLINKS: Final = 0x04
_RESOLVE_IN_ROOT: Final = 0x10
_RACES: Final = 100
_SHOWN: Final = 1000

PATH_MAX: Final = 4096
OPAQUE_XATTR: Final = "trusted.overlay.opaque"
USER_XATTR: Final = "user."


class _OpenHow(ctypes.Structure):
    _fields_ = [("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64)]


def open_in_root(root: Path | int, path: str, flags: int = os.O_RDONLY, mode: int = 0, *, follow: bool = True) -> int:
    """openat2(2) with ``root`` (a folder or a descriptor of one) as the root folder.

    Absolute and ``..`` paths and symlinks are resolved inside ``root`` and cannot leave it; with ``follow``
    false a symlink anywhere raises ELOOP. Returns a descriptor with O_CLOEXEC.
    """
    base = root if isinstance(root, int) else os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    resolve = _RESOLVE_IN_ROOT | _RESOLVE_NO_MAGICLINKS | (0 if follow else _RESOLVE_NO_SYMLINKS)
    how = _OpenHow(flags | os.O_CLOEXEC, mode, resolve)
    try:
        return _openat2(base, os.fsencode(path) or b".", how)
    finally:
        if base is not root:
            os.close(base)


def path_in_root(root: Path, path: str, flags: int = 0) -> Path:
    """Where ``path`` leads inside ``root``, without links; raises OSError. ``flags``: of open(2), ``O_DIRECTORY``."""
    descriptor = open_in_root(root, path, os.O_PATH | flags)
    try:
        return Path(os.readlink(f"/proc/self/fd/{descriptor}"))
    finally:
        os.close(descriptor)


def _openat2(base: int, path: bytes, how: _OpenHow) -> int:
    """EAGAIN means that a rename elsewhere raced with ``..`` (openat2(2)): try again."""
    for _ in range(_RACES):
        descriptor: int = libc.syscall(_SYS_OPENAT2, base, path, ctypes.byref(how), ctypes.sizeof(how))
        if descriptor >= 0 or ctypes.get_errno() != errno.EAGAIN:
            break
    return check(descriptor, os.fsdecode(path))


def make_folder(root: Path, path: str) -> None:
    """``mkdir -p`` inside ``root``, mode 0755: links of the image are followed there and lead nowhere else.

    InvalidArgument where something else is in the way.
    """
    descriptor = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        built = ""
        for part in path.strip("/").split("/"):
            built = f"{built}/{part}" if built else part
            _make_one(descriptor, built)
    finally:
        os.close(descriptor)


def _make_one(root: int, path: str) -> None:
    above, _, name = path.rpartition("/")
    try:
        with suppress(FileNotFoundError):
            os.close(open_in_root(root, path, os.O_PATH))
            return
        parent = open_in_root(root, above or "/", os.O_PATH | os.O_DIRECTORY)
    except NotADirectoryError as error:
        raise InvalidArgument(f"Cannot mkdir: /{above} is not a directory") from error
    try:
        with suppress(FileExistsError):
            os.mkdir(name, 0o755, dir_fd=parent)
    finally:
        os.close(parent)


def atomic_write(path: Path, data: bytes, mode: int = 0o600, *, durable: bool = False) -> None:
    """Replace ``path`` by a file with ``data``: readers see the old or the new one. ``durable`` syncs it."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        with open(descriptor, "wb") as file:
            os.fchmod(descriptor, mode)
            file.write(data)
            file.flush()
            if durable:
                os.fdatasync(descriptor)
        os.rename(temporary, path)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(temporary)
        raise


@contextmanager
def disk_errors() -> Iterator[None]:
    """Has a full disk (or quota) raise NoSpace, in Docker's words."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise NoSpace(f"write {error.filename or 'file'}: no space left on device") from error


@contextmanager
def path_errors() -> Iterator[None]:
    """Has a path that is too long (PATH_MAX, NAME_MAX) raise InvalidArgument, in Docker's words."""
    try:
        yield
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        raise InvalidArgument(
            f"lstat {shortened(os.fsdecode(error.filename or 'file'))}: file name too long"
        ) from error


def shortened(path: str) -> str:
    """A path as an error shows it: of a very long one the end."""
    return path if len(path) <= _SHOWN else f"...{path[-_SHOWN:]}"


def is_whiteout(status: os.stat_result) -> bool:
    """Whether an overlay shows the entry as deleted: a character device 0/0."""
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == 0


def is_opaque(folder: str | Path | int) -> bool:
    """Whether the folder of an overlay's layer hides what lies below it."""
    try:
        return os.getxattr(folder, OPAQUE_XATTR) == b"y"
    except OSError as error:
        if error.errno in (errno.ENODATA, errno.ENOTSUP, errno.EPERM):
            return False
        raise


def user_xattrs(file: int) -> dict[str, bytes]:
    """The extended attributes that its user gave an open file, by name; none where the file system has none."""
    with suppress(OSError):
        return {name: os.getxattr(file, name) for name in sorted(os.listxattr(file)) if name.startswith(USER_XATTR)}
    return {}


def used_bytes(folder: Path) -> int:
    """The sizes of all regular files below ``folder``, a file of several names counted once."""
    seen: set[tuple[int, int]] = set()
    total = 0
    stack = [os.fspath(folder)]
    while stack:
        try:
            entries = os.scandir(stack.pop())
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG):
                raise
            continue
        with entries:
            for entry in entries:
                try:
                    status = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue
                if stat.S_ISDIR(status.st_mode):
                    stack.append(entry.path)
                elif status.st_nlink == 1:
                    total += status.st_size
                elif (status.st_dev, status.st_ino) not in seen:
                    seen.add((status.st_dev, status.st_ino))
                    total += status.st_size
    return total


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on ``path`` (made if needed). BlockingIOError where another process holds it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)
