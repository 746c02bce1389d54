"""Telling archives from other files, and not being led to inflate what pretends to be one."""

import bz2
import gzip
import io
import lzma
import os
import resource
import tarfile
from pathlib import Path

import pytest
import zstandard

from pier.build.copying.unpacking import is_archive


def tar(size: int = 5) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as made:
        info = tarfile.TarInfo("file")
        info.size = size
        made.addfile(info, io.BytesIO(b"x" * size))
    return stream.getvalue()


def zstd(data: bytes) -> bytes:
    return zstandard.ZstdCompressor().compress(data)


def told(folder: Path, data: bytes) -> bool:
    (folder / "file").write_bytes(data)
    root = os.open(folder, os.O_PATH)
    try:
        return is_archive(root, "file")
    finally:
        os.close(root)


@pytest.mark.parametrize("compress", [bytes, gzip.compress, bz2.compress, lzma.compress, zstd])
def test_archives(tmp_path: Path, compress: type[bytes]) -> None:
    assert told(tmp_path, compress(tar()))
    assert not told(tmp_path, compress(b"no archive, but long enough" * 100))


@pytest.mark.parametrize("data", [b"", b"\0" * 1024, b"\x1f\x8b", b"BZh9", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd" * 200])
def test_others(tmp_path: Path, data: bytes) -> None:
    assert not told(tmp_path, data)


def test_a_fifo_is_none(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    root = os.open(tmp_path, os.O_PATH)
    assert not is_archive(root, "fifo")
    os.close(root)


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress, zstd])
def test_a_bomb_is_not_inflated(tmp_path: Path, compress: type[bytes]) -> None:
    bomb = compress(bytes(96 << 20))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    told(tmp_path, bomb)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 32 << 10
