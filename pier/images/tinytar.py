"""Small tars made in memory (pure): the same bytes for the same content."""

import io
import tarfile
from collections.abc import Mapping
from typing import Final

_BLOCK: Final = 512


def tar_of(files: Mapping[str, tuple[int, bytes]], links: Mapping[str, str], folders: Mapping[str, int]) -> bytes:
    """A tar of ``folders`` (name: mode), ``files`` (name: mode and content) and symbolic ``links`` (name: target)."""
    entries = [_entry(name, mode, tarfile.DIRTYPE) for name, mode in folders.items()]
    entries += [tar_entry(name, mode, data) for name, (mode, data) in files.items()]
    entries += [_entry(name, 0o777, tarfile.SYMTYPE, link=target) for name, target in links.items()]
    return b"".join(entries) + bytes(2 * _BLOCK)


def tar_entry(name: str, mode: int, data: bytes) -> bytes:
    """One file, to be put before another tar."""
    return _entry(name, mode, tarfile.REGTYPE, data)


def _entry(name: str, mode: int, kind: bytes, data: bytes = b"", link: str = "") -> bytes:
    member = tarfile.TarInfo(name)
    member.mode, member.type, member.linkname, member.size = mode, kind, link, len(data)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        archive.addfile(member, io.BytesIO(data))
        return buffer.getvalue()
