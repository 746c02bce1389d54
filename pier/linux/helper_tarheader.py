"""Tar headers (POSIX ustar and pax, GNU, star, v7), decoded from blocks that strangers made.

Limits and error texts are those of Go's archive/tar, which Docker shows: a header that breaks a rule is
"archive/tar: invalid tar header". Pure: no I/O.
"""

import os
import stat
from typing import Final

BLOCK: Final = 512
MAX_SPECIAL: Final = 1 << 20
MAX_SIZE: Final = (1 << 63) - 1

_OLD_REGULAR: Final = b"\0"
REGULAR: Final = b"0"
LINK: Final = b"1"
SYMLINK: Final = b"2"
CHAR: Final = b"3"
BLOCK_DEVICE: Final = b"4"
FOLDER: Final = b"5"
FIFO: Final = b"6"
GNU_SPARSE: Final = b"S"
GNU_LONG_NAME: Final = b"L"
GNU_LONG_LINK: Final = b"K"
PAX: Final = b"x"
PAX_GLOBAL: Final = b"g"
WITHOUT_DATA: Final = (LINK, SYMLINK, CHAR, BLOCK_DEVICE, FOLDER, FIFO)
NODES: Final = {CHAR: stat.S_IFCHR, BLOCK_DEVICE: stat.S_IFBLK, FIFO: stat.S_IFIFO}
"""What mknod(2) makes, and the file type that it is told."""
SPECIAL: Final = (GNU_LONG_NAME, GNU_LONG_LINK, PAX, PAX_GLOBAL)

_XATTR: Final = b"SCHILY.xattr."
_ZEROS: Final = bytes(BLOCK)
_NANO: Final = 1_000_000_000


class TarError(Exception):
    """The archive breaks the format; the message is what the user reads."""


INVALID: Final = "archive/tar: invalid tar header"


class Header:
    """One entry. ``size`` is what is stored in the archive; times are ns since the epoch; names are raw bytes.

    No dataclass: importing those would be a third of a helper's start.
    """

    def __init__(
        self,
        name: bytes,
        kind: bytes,
        mode: int,
        uid: int,
        gid: int,
        size: int,
        mtime: int,
        link: bytes,
        major: int = 0,
        minor: int = 0,
        xattrs: dict[bytes, bytes] | None = None,
    ) -> None:
        self.name = name
        self.kind = kind
        self.mode = mode
        self.uid = uid
        self.gid = gid
        self.size = size
        self.mtime = mtime
        self.link = link
        self.major = major
        self.minor = minor
        self.xattrs = xattrs if xattrs is not None else {}
        self.sparse = b""
        self.sparse_pairs: list[int] | None = None
        self.real_size = -1

    def device(self) -> int:
        """The device number for mknod(2). Raises TarError where no device can have it."""
        if not (0 <= self.major < 1 << 32 and 0 <= self.minor < 1 << 32):
            raise TarError(f"invalid device number of {printable(self.name)}")
        return os.makedev(self.major, self.minor)


def parse_header(block: bytes) -> Header | None:
    """The header in ``block``; None for a block of zeros. Raises TarError."""
    if block == _ZEROS:
        return None
    stored = number(block[148:156])
    if stored != sum(block) - sum(block[148:156]) + 256:
        raise TarError(INVALID)
    name = block[:100].partition(b"\0")[0]
    kind = block[156:157]
    magic = block[257:265]
    major = minor = 0
    if magic[:5] == b"ustar":
        if magic == b"ustar\x0000":
            prefix = block[345:476] if block[508:512] == b"tar\0" else block[345:500]
            prefix = prefix.partition(b"\0")[0]
            if prefix:
                name = prefix + b"/" + name
        if kind in (CHAR, BLOCK_DEVICE):
            major, minor = number(block[329:337]), number(block[337:345])
    size = number(block[124:136])
    if size < 0 or size > MAX_SIZE:
        raise TarError(INVALID)
    if kind == b"7":
        kind = REGULAR
    if kind in WITHOUT_DATA:
        size = 0
    return Header(
        name,
        kind,
        number(block[100:108]) & 0o7777,
        number(block[108:116]),
        number(block[116:124]),
        size,
        number(block[136:148]) * _NANO,
        block[157:257].partition(b"\0")[0],
        major,
        minor,
    )


def number(text: bytes) -> int:
    """A numeric field: octal digits, or base 256 when the first bit is set (GNU)."""
    if text[0] & 0x80:
        if text[0] == 0xFF:
            return int.from_bytes(text, "big", signed=True)
        return int.from_bytes(bytes([text[0] & 0x7F]) + text[1:], "big")
    digits = text.partition(b"\0")[0].strip(b" ") or text.strip(b" \0")
    if not digits:
        return 0
    if not digits.isdigit():
        raise TarError(INVALID)
    try:
        return int(digits, 8)
    except ValueError as error:
        raise TarError(INVALID) from error


def parse_pax(data: bytes) -> list[tuple[bytes, bytes]]:
    """The records of a pax extended header, in order. Raises TarError."""
    records: list[tuple[bytes, bytes]] = []
    position = 0
    while position < len(data):
        space = data.find(b" ", position, position + 12)
        if space < 0 or not data[position:space].isdigit():
            raise TarError(INVALID)
        end = position + int(data[position:space])
        if end > len(data) or end <= space + 1 or data[end - 1 : end] != b"\n":
            raise TarError(INVALID)
        key, equals, value = data[space + 1 : end - 1].partition(b"=")
        if not equals or not key or (key in (b"path", b"linkpath") and b"\0" in value):
            raise TarError(INVALID)
        records.append((key, value))
        position = end
    return records


def apply_pax(header: Header, records: list[tuple[bytes, bytes]]) -> None:
    """Let the extended header's records override ``header``."""
    sparse_name = b""
    for key, value in records:
        if not value and not key.startswith(_XATTR):
            continue
        if key == b"path":
            header.name = value
        elif key == b"linkpath":
            header.link = value
        elif key == b"size":
            header.size = 0 if header.kind in WITHOUT_DATA else _decimal(value)
        elif key == b"uid":
            header.uid = _decimal(value)
        elif key == b"gid":
            header.gid = _decimal(value)
        elif key == b"mtime":
            header.mtime = _nanoseconds(value)
        elif key.startswith(_XATTR):
            header.xattrs[key[len(_XATTR) :]] = value
        elif key.startswith(b"GNU.sparse."):
            sparse_name = _apply_sparse(header, key[len(b"GNU.sparse.") :], value) or sparse_name
    if sparse_name:
        header.name = sparse_name


def complete(header: Header, long_name: bytes, long_link: bytes, extended: list[tuple[bytes, bytes]]) -> Header:
    """``header`` with what special headers before it said. Raises TarError."""
    header.name = long_name or header.name
    header.link = long_link or header.link
    if extended:
        apply_pax(header, extended)
    if header.kind == _OLD_REGULAR:  # v7 tells a folder by its slash only; the name is final now
        header.kind = FOLDER if header.name.endswith(b"/") else REGULAR
        header.size = 0 if header.kind == FOLDER else header.size
    return header


def _apply_sparse(header: Header, key: bytes, value: bytes) -> bytes:
    """GNU's three ways to say "sparse" in pax; returns the real name when this record has it."""
    if key == b"name":
        return value
    if key == b"major":
        header.sparse = b"1.0" if value == b"1" else header.sparse
    elif key in (b"realsize", b"size"):
        header.real_size = _decimal(value)
    elif key == b"map":
        header.sparse, header.sparse_pairs = b"0.1", [_decimal(part) for part in value.split(b",")]
    elif key in (b"offset", b"numbytes"):
        header.sparse = b"0.0"
        header.sparse_pairs = [*(header.sparse_pairs or []), _decimal(value)]
    return b""


def _decimal(text: bytes) -> int:
    if not text.isdigit() or len(text) > 20 or int(text) > MAX_SIZE:
        raise TarError(INVALID)
    return int(text)


def _nanoseconds(text: bytes) -> int:
    """``[-]seconds[.fraction]`` exactly: a float would lose the last digits."""
    seconds, _, fraction = text.partition(b".")
    negative = seconds.startswith(b"-")
    whole = _decimal(seconds.lstrip(b"-") or b"0")
    part = _decimal((fraction[:9] or b"0").ljust(9, b"0")) if fraction else 0
    return -(whole * _NANO + part) if negative else whole * _NANO + part


def clean(name: bytes) -> bytes:
    """``name`` as a path relative to the root: no empty, ``.`` or ``..`` parts; empty for the root itself.

    Raises TarError for a name that leaves the root, or holds a NUL.
    """
    if b"\0" in name:
        raise TarError(INVALID)
    if b"//" not in name and b"." not in name:
        return name.strip(b"/")
    parts: list[bytes] = []
    for part in name.split(b"/"):
        if part == b"..":
            if not parts:
                raise TarError(f"{printable(name)} is outside of the layer")
            parts.pop()
        elif part not in (b"", b"."):
            parts.append(part)
    return b"/".join(parts)


def printable(name: bytes) -> str:
    """``name`` quoted for an error message: one line, and not endless."""
    shown = name if len(name) <= 200 else name[:200] + b"..."
    text = shown.decode("utf-8", "backslashreplace").encode("unicode_escape").decode("ascii")
    return '"' + text.replace('"', '\\"').replace("\\\\x", "\\x") + '"'
