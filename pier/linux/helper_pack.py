"""Making tars: a layer's exact one from its skeleton, and new ones of folders."""

import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from typing import Final

from pier.linux.helper_input import CHUNK, write_all
from pier.linux.helper_skeleton import FILE, RAW, records
from pier.linux.helper_tarheader import (
    BLOCK,
    BLOCK_DEVICE,
    CHAR,
    FIFO,
    FOLDER,
    LINK,
    PAX,
    REGULAR,
    SYMLINK,
    Header,
    TarError,
    printable,
)
from pier.linux.helper_untar import OPAQUE, OPAQUE_XATTR, WHITEOUT

_READ: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_KEPT_XATTRS: Final = ("security.capability", "user.")
_NOT_KEPT: Final = "user.overlay."
_OCTAL_11: Final = 8**11
_OCTAL_7: Final = 8**7
_NANO: Final = 1_000_000_000
_WHITEOUT_MODE: Final = 0o600  # as Docker has it, whatever the kernel gave the device
_KINDS: Final = (
    (stat.S_ISDIR, FOLDER),
    (stat.S_ISREG, REGULAR),
    (stat.S_ISLNK, SYMLINK),
    (stat.S_ISCHR, CHAR),
    (stat.S_ISBLK, BLOCK_DEVICE),
    (stat.S_ISFIFO, FIFO),
)


class Output:
    """A tar on its way out: gathered into large writes, and hashed where somebody wants its digest."""

    def __init__(self, descriptor: int, *, hashed: bool = True) -> None:
        self._descriptor = descriptor
        self._sha = hashlib.sha256() if hashed else None
        self._gathered = bytearray()
        self._buffer = memoryview(bytearray(CHUNK))
        self.size = 0

    def write(self, data: bytes) -> None:
        self._gathered += data
        if len(self._gathered) >= CHUNK:
            self.flush()

    def copy(self, descriptor: int, size: int) -> None:
        """``size`` bytes of a file; TarError where it has not that many."""
        while size:
            count = os.readv(descriptor, [self._buffer[: min(size, CHUNK)]])
            if not count:
                raise TarError("a file became shorter while it was read")
            if count < CHUNK // 8:
                self.write(bytes(self._buffer[:count]))
            else:
                self.flush()
                self._put(self._buffer[:count])
            size -= count

    def flush(self) -> None:
        if self._gathered:
            self._put(memoryview(bytes(self._gathered)))
            self._gathered.clear()

    def _put(self, data: memoryview) -> None:
        if self._sha is not None:
            self._sha.update(data)
        write_all(self._descriptor, data)
        self.size += len(data)

    @property
    def digest(self) -> str:
        return "sha256:" + self._sha.hexdigest() if self._sha is not None else ""


def pack_skeleton(skeleton: int, replaced: int, output: Output) -> None:
    """The exact tar of the layer that is this process's root folder. Raises TarError where a file is not as it was."""
    moved = [(path, number) for kind, number, path in records(skeleton) if kind not in (RAW, FILE)]
    index = 0
    for kind, number, data in records(skeleton):
        if kind == RAW:
            output.write(data)
        elif kind == FILE:
            _copy_file(data, number, _where(data, index, moved), replaced, output)
            index += 1
    output.flush()


def _where(path: bytes, index: int, moved: list[tuple[bytes, int]]) -> tuple[int, bytes] | None:
    """The number in ``replaced`` and the path inside it of what FILE record ``index`` made; None: where it was put."""
    for number, (old, before) in enumerate(moved):
        if index < before and (path == old or path.startswith(old + b"/")):
            return number, path[len(old) + 1 :]
    return None


def _copy_file(path: bytes, size: int, moved: tuple[int, bytes] | None, replaced: int, output: Output) -> None:
    try:
        if moved is None:
            descriptor = os.open(path, _READ)
        else:
            below = b"/" + moved[1] if moved[1] else b""
            descriptor = os.open(str(moved[0]).encode() + below, _READ, dir_fd=replaced)
    except OSError as error:
        raise TarError(f"layer file {printable(path)}: {error.strerror}") from error
    try:
        if os.fstat(descriptor).st_size != size:
            raise TarError(f"layer file {printable(path)} has changed")
        output.copy(descriptor, size)
    finally:
        os.close(descriptor)


class Packer:
    """A new tar of the folder that is this process's root, in a fixed order.

    With ``whiteouts`` the folder is an overlay's upper one, and what it hides is written as whiteouts. Other
    file systems mounted below it are left out, as are sockets. ``prefix``: where the folder is, with a slash, if it
    is not the root; nobody may change it meanwhile.
    """

    def __init__(self, output: Output, whiteouts: bool, prefix: bytes = b"") -> None:
        self._output = output
        self._whiteouts = whiteouts
        self._prefix = prefix
        self._links: dict[tuple[int, int], bytes] = {}
        self._device = os.lstat(prefix + b".").st_dev

    def run(self, *, with_root: bool) -> None:
        """Write all of it. Raises OSError with the name."""
        if with_root:
            self._add(b"./", b".", os.lstat(self._prefix + b"."))
        for path, status in self._walk():
            try:
                self._add(path, path, status)
            except OSError as error:
                if error.errno not in (errno.ENOENT, errno.ELOOP):  # a running container took it away
                    raise OSError(error.errno, error.strerror, printable(path)) from error
        self._output.write(bytes(2 * BLOCK))
        self._output.flush()

    def _walk(self) -> Iterator[tuple[bytes, os.stat_result]]:
        stack = [b""]
        while stack:
            path = stack.pop()
            if path:
                try:
                    status = os.lstat(self._prefix + path)
                except FileNotFoundError:
                    continue
                yield path, status
                if not stat.S_ISDIR(status.st_mode) or status.st_dev != self._device:
                    continue
            try:
                names = sorted(os.listdir(self._prefix + (path or b".")), reverse=True)
            except (FileNotFoundError, NotADirectoryError):
                continue
            stack += [path + b"/" + name if path else name for name in names]

    def _add(self, name: bytes, path: bytes, status: os.stat_result) -> None:
        kind = next((kind for test, kind in _KINDS if test(status.st_mode)), None)
        if kind is None:
            return
        if self._whiteouts and kind == CHAR and status.st_rdev == 0:
            folder, _, base = path.rpartition(b"/")
            gone = _header(os.path.join(folder, WHITEOUT + base), REGULAR, status)
            gone.mode = _WHITEOUT_MODE
            self._output.write(encode(gone))
            return
        header = _header(name, kind, status)
        if kind == FOLDER:
            header.name = name.rstrip(b"/") + b"/"
        elif kind == SYMLINK:
            header.link = os.readlink(self._prefix + path)
        elif kind in (CHAR, BLOCK_DEVICE):
            header.major, header.minor = os.major(status.st_rdev), os.minor(status.st_rdev)
        elif status.st_nlink > 1 and (first := self._links.setdefault((status.st_dev, status.st_ino), path)) != path:
            header.kind, header.link = LINK, first
        if header.kind != LINK:
            header.xattrs = _xattrs(self._prefix + path)
        if header.kind == REGULAR:
            self._add_file(header, path)
        else:
            self._output.write(encode(header))
        if self._whiteouts and kind == FOLDER and _is_opaque(self._prefix + path):
            opaque = _header(os.path.join(path, OPAQUE), REGULAR, status)
            opaque.mode, opaque.mtime = opaque.mode & 0o777, 0
            self._output.write(encode(opaque))

    def _add_file(self, header: Header, path: bytes) -> None:
        """A file that grows or shrinks under a running container keeps the length it had when opened."""
        descriptor = os.open(self._prefix + path, _READ)
        try:
            header.size = os.fstat(descriptor).st_size
            self._output.write(encode(header))
            self._content(path, descriptor, header.size)
            self._output.write(bytes(-header.size % BLOCK))
        finally:
            os.close(descriptor)

    def _content(self, path: bytes, descriptor: int, size: int) -> None:
        self._output.copy(descriptor, size)


def _header(name: bytes, kind: bytes, status: os.stat_result) -> Header:
    mtime = status.st_mtime_ns // _NANO * _NANO
    mode = stat.S_IMODE(status.st_mode)
    return Header(name, kind, mode, status.st_uid, status.st_gid, 0, mtime, b"")


def _xattrs(path: bytes) -> dict[bytes, bytes]:
    try:
        names = os.listxattr(path, follow_symlinks=False)
    except OSError as error:
        if error.errno in (errno.ENOTSUP, errno.EPERM):
            return {}
        raise
    kept = [name for name in names if name.startswith(_KEPT_XATTRS) and not name.startswith(_NOT_KEPT)]
    return {os.fsencode(name): os.getxattr(path, name, follow_symlinks=False) for name in kept}


def _is_opaque(path: bytes) -> bool:
    try:
        return os.getxattr(path, OPAQUE_XATTR, follow_symlinks=False) == b"y"
    except OSError:
        return False


def encode(header: Header) -> bytes:
    """``header`` as blocks: plain ustar where its values fit, else a pax extended header before it."""
    records: list[tuple[bytes, bytes]] = []
    name = header.name
    if len(name) > 100 or not name.isascii():
        records.append((b"path", name))
        name = name[:100]
    link = header.link
    if len(link) > 100 or not link.isascii():
        records.append((b"linkpath", link))
        link = link[:100]
    size = _fitting(header.size, _OCTAL_11, b"size", records)
    uid = _fitting(header.uid, _OCTAL_7, b"uid", records)
    gid = _fitting(header.gid, _OCTAL_7, b"gid", records)
    seconds, rest = divmod(header.mtime, _NANO)
    if rest or not 0 <= seconds < _OCTAL_11:
        records.append((b"mtime", _decimal_time(header.mtime)))
        seconds = min(max(seconds, 0), _OCTAL_11 - 1)
    records += [(b"SCHILY.xattr." + key, value) for key, value in sorted(header.xattrs.items())]
    block = _ustar(name, header, link, size, uid, gid, seconds)
    if not records:
        return block
    body = b"".join(_record(key, value) for key, value in records)
    plain = Header(b"", PAX, 0o644, 0, 0, len(body), 0, b"")
    extended = _ustar(b"PaxHeaders.0/x", plain, b"", len(body), 0, 0, 0)
    return extended + body + bytes(-len(body) % BLOCK) + block


def _fitting(value: int, limit: int, key: bytes, records: list[tuple[bytes, bytes]]) -> int:
    if value < limit:
        return value
    records.append((key, b"%d" % value))
    return 0


def _decimal_time(nanoseconds: int) -> bytes:
    seconds, rest = divmod(abs(nanoseconds), _NANO)
    text = b"%d.%09d" % (seconds, rest) if rest else b"%d" % seconds
    return b"-" + text if nanoseconds < 0 else text


def _record(key: bytes, value: bytes) -> bytes:
    body = b" " + key + b"=" + value + b"\n"
    length = len(body)
    while len(b"%d" % length) + len(body) != length:
        length = len(b"%d" % length) + len(body)
    return b"%d" % length + body


def _ustar(name: bytes, header: Header, link: bytes, size: int, uid: int, gid: int, seconds: int) -> bytes:
    block = bytearray(BLOCK)
    block[0 : len(name)] = name
    block[100:108] = b"%07o\0" % header.mode
    block[108:116] = b"%07o\0" % uid
    block[116:124] = b"%07o\0" % gid
    block[124:136] = b"%011o\0" % size
    block[136:148] = b"%011o\0" % seconds
    block[148:156] = b"        "
    block[156:157] = header.kind
    block[157 : 157 + len(link)] = link
    block[257:265] = b"ustar\x0000"
    block[329:337] = b"%07o\0" % header.major
    block[337:345] = b"%07o\0" % header.minor
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)
