"""What a walk found, in columns: some hundred bytes a file, where an object of each would be most of a kilobyte."""

import os
from collections.abc import Sequence
from struct import Struct
from typing import Final, NamedTuple

_UNSIGNED: Final = (1 << 64) - 1
_WRITTEN: Final = Struct("<IIIQQQQ")
_READ: Final = Struct("<IIIQqqQ")  # times before 1970 come back as such, those after 2262 do not
SIZE: Final = _READ.size
NOT_TRUSTED: Final = bytes(SIZE)


class Facts(NamedTuple):
    """``size``: of a device its number. Times in ns since 1970."""

    mode: int
    owner: int
    group: int
    size: int
    modified: int
    changed: int
    inode: int


class Listing:
    """``names``: each ends with a NUL, as no name has one; they need not be UTF-8. ``facts``: SIZE bytes each."""

    def __init__(self) -> None:
        self.names = bytearray()
        self.facts = bytearray()

    def __len__(self) -> int:
        return len(self.facts) // SIZE

    def add(self, name: str, status: os.stat_result) -> None:
        self.names += name.encode(errors="surrogateescape") + b"\0"
        self.facts += _WRITTEN.pack(
            status.st_mode,
            status.st_uid,
            status.st_gid,
            status.st_size or status.st_rdev,
            status.st_mtime_ns & _UNSIGNED,
            status.st_ctime_ns & _UNSIGNED,
            status.st_ino,
        )

    def of(self, number: int) -> Facts:
        return Facts(*_READ.unpack_from(self.facts, number * SIZE))

    def packed(self, number: int) -> bytes:
        return bytes(self.facts[number * SIZE : number * SIZE + SIZE])

    def distrust(self, since: int) -> None:
        """Forget those written since then: they may change in the same tick without their times telling."""
        for number, (*_, modified, changed, _inode) in enumerate(_READ.iter_unpack(bytes(self.facts))):
            if modified >= since or changed >= since:
                self.facts[number * SIZE : number * SIZE + SIZE] = NOT_TRUSTED


def names_of(column: bytes | bytearray) -> Sequence[bytes]:
    return bytes(column).split(b"\0")[:-1]
