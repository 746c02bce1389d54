"""A tar as BuildKit tells of a folder: every file's stat in the order of its walk, and where its content lies."""

import tarfile
from dataclasses import dataclass
from typing import IO, Final

from pier.api.buildkit.gomode import go_mode
from pier.api.buildkit.proto.fsutil_pb2 import Stat

_TYPES: Final = {
    tarfile.DIRTYPE: 0o040000,
    tarfile.SYMTYPE: 0o120000,
    tarfile.CHRTYPE: 0o020000,
    tarfile.BLKTYPE: 0o060000,
    tarfile.FIFOTYPE: 0o010000,
}
_XATTR: Final = "SCHILY.xattr."


@dataclass(frozen=True, slots=True)
class Member:
    stat: Stat
    offset: int


def members(archive: IO[bytes]) -> list[Member]:
    """Every member once, folders before what is in them; of names for one file, the first in order has the content."""
    archive.seek(0)
    found: dict[str, tarfile.TarInfo] = {}
    with tarfile.open(fileobj=archive, mode="r:", errors="surrogateescape") as tar:
        for info in tar:
            if path := _clean(info.name):
                found[path] = info
    for path in list(found):
        _add_parents(found, path)
    return _told(found)


def _told(found: dict[str, tarfile.TarInfo]) -> list[Member]:
    first: dict[str, str] = {}
    told = []
    for path in sorted(found, key=lambda path: path.split("/")):
        info = found[path]
        original = _clean(info.linkname) if info.islnk() else path
        content = found.get(original, info)
        named = first.setdefault(original, path)
        told.append(Member(_stat(path, content, named if named != path else ""), content.offset_data))
    return told


def _stat(path: str, info: tarfile.TarInfo, same_as: str) -> Stat:
    kind = _TYPES.get(info.type, 0o100000)
    link = same_as or (info.linkname if info.issym() else "")
    device = info.ischr() or info.isblk()
    attributes = {
        name.removeprefix(_XATTR): value.encode("utf-8", "surrogateescape")
        for name, value in info.pax_headers.items()
        if name.startswith(_XATTR)
    }
    return Stat(
        path=_bytes(path),
        mode=go_mode(kind | info.mode & 0o7777),
        uid=info.uid,
        gid=info.gid,
        size=info.size if kind == 0o100000 else 0,
        modTime=int(float(info.pax_headers.get("mtime", info.mtime)) * 10**9),
        linkname=_bytes(link),
        devmajor=info.devmajor if device else 0,
        devminor=info.devminor if device else 0,
        xattrs=attributes,
    )


def _add_parents(found: dict[str, tarfile.TarInfo], path: str) -> None:
    while (path := path.rpartition("/")[0]) and path not in found:
        folder = tarfile.TarInfo(path)
        folder.type = tarfile.DIRTYPE
        folder.mode = 0o755
        found[path] = folder


def _clean(name: str) -> str:
    return "/".join(part for part in name.split("/") if part not in ("", "."))


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
