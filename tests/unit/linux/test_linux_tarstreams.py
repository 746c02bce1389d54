"""Reading compressed streams, walking through tars, and the skeletons that come of it."""

import bz2
import gzip
import io
import lzma
import os
import tarfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import zstandard

from pier.linux.helper_input import CHUNK, Source, plain
from pier.linux.helper_skeleton import FILE, MOVED, RAW, Writer, records, tar_size
from pier.linux.helper_tarheader import TarError
from pier.linux.helper_tarread import TarReader
from pier.testing.tars import END, digest, entry, patched, tar

NOISE = os.urandom(3 * CHUNK + 12345)


def inflated(data: bytes, tmp_path: Path, keep: int | None = None) -> tuple[bytes, Source]:
    (tmp_path / "in").write_bytes(data)
    descriptor = os.open(tmp_path / "in", os.O_RDONLY)
    try:
        source = Source(descriptor, keep=keep, hashed=True)
        return b"".join(bytes(piece) for piece in plain(source)), source
    finally:
        os.close(descriptor)


def packed(data: bytes) -> dict[str, bytes]:
    return {
        "none": data,
        "gzip": gzip.compress(data, 1),
        "two gzip members": gzip.compress(data[:1000]) + gzip.compress(data[1000:]),
        "gzip with padding": gzip.compress(data) + bytes(2000),
        "zstd": zstandard.ZstdCompressor().compress(data),
        "two zstd frames": zstandard.compress(data[:1000]) + zstandard.compress(data[1000:]),
        "zstd after a skippable frame": b"\x50\x2a\x4d\x18\x04\0\0\0abcd" + zstandard.compress(data),
        "xz": lzma.compress(data),
        "bzip2": bz2.compress(data),
    }


@pytest.mark.parametrize("form", list(packed(b"")))
@pytest.mark.parametrize("data", [NOISE, bytes(10 * CHUNK), b"x" * 2000], ids=["noise", "zeros", "short"])
def test_every_compression(form: str, data: bytes, tmp_path: Path) -> None:
    blob = packed(data)[form]
    found, source = inflated(blob, tmp_path)
    assert found == data
    assert (source.digest, source.size) == (digest(blob), len(blob))


@pytest.mark.parametrize("form", ["gzip", "xz", "bzip2"])
def test_a_truncated_stream(form: str, tmp_path: Path) -> None:
    with pytest.raises(TarError, match="unexpected EOF"):
        inflated(packed(NOISE)[form][:-100], tmp_path)


@pytest.mark.parametrize("form", ["gzip", "xz", "bzip2", "zstd"])
def test_a_damaged_stream(form: str, tmp_path: Path) -> None:
    blob = bytearray(packed(b"text " * 100_000)[form])
    blob[len(blob) // 2] ^= 0xFF
    blob[len(blob) // 2 + 1] ^= 0xFF
    with pytest.raises(TarError):
        inflated(bytes(blob), tmp_path)


def test_garbage_after_a_member(tmp_path: Path) -> None:
    with pytest.raises(TarError):
        inflated(gzip.compress(b"x" * 1000) + b"garbage", tmp_path)


def test_a_resumed_blob_is_read_from_what_is_kept(tmp_path: Path) -> None:
    blob = gzip.compress(NOISE)
    keep = os.open(tmp_path / "kept", os.O_RDWR | os.O_CREAT)
    os.write(keep, blob[:100_000])
    found, source = inflated(blob[100_000:], tmp_path, keep)
    os.close(keep)
    assert found == NOISE
    assert source.digest == digest(blob)
    assert (tmp_path / "kept").read_bytes() == blob


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    for at in range(0, len(data), size):
        yield data[at : at + size]


def keep(parts: list[bytes], part: memoryview) -> None:
    parts.append(bytes(part))


def taken_in(data: bytes, tmp_path: Path, size: int = 1000) -> tuple[dict[bytes, bytes], bytes]:
    """The entries' contents, and the tar made again of the skeleton and these contents."""
    descriptor = os.open(tmp_path / "skeleton", os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    try:
        writer = Writer(descriptor)
        reader = TarReader(pieces(data, size), writer)
        contents: list[bytes] = []
        found: dict[bytes, bytes] = {}
        for header in reader.entries():
            parts: list[bytes] = []
            writer.file(header.name, header.size)
            reader.content(header.size, partial(keep, parts))
            contents.append(b"".join(parts))
            found[header.name] = contents[-1]
        writer.finish(reader.size)
        assert (reader.digest, reader.size, tar_size(descriptor)) == (digest(data), len(data), len(data))
        again = b"".join(raw if kind == RAW else contents.pop(0) for kind, _, raw in records(descriptor))
        return found, again
    finally:
        os.close(descriptor)


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize("size", [1, 511, 512, 100_000])
def test_the_very_same_tar_comes_out(form: int, size: int, tmp_path: Path) -> None:
    names = ["a", "d/" + "b" * 90, "e"]
    if form != tarfile.USTAR_FORMAT:
        names += ["long/" * 60 + "b", "ä" * 100]
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as archive:
        for number, name in enumerate(names):
            info = tarfile.TarInfo(name)
            info.size = number * 700
            archive.addfile(info, io.BytesIO(bytes([number]) * info.size))
    found, again = taken_in(buffer.getvalue(), tmp_path, size)
    assert again == buffer.getvalue()
    assert found == {name.encode(): bytes([number]) * (number * 700) for number, name in enumerate(names)}


def test_trailing_bytes_are_kept(tmp_path: Path) -> None:
    data = tar(entry("a", b"x")) + bytes(20_000) + b"junk"
    assert taken_in(data, tmp_path)[1] == data


def test_a_tar_without_its_end(tmp_path: Path) -> None:
    data = entry("a", b"x")
    assert taken_in(data, tmp_path)[1] == data


def test_an_empty_stream(tmp_path: Path) -> None:
    assert taken_in(b"", tmp_path) == ({}, b"")


@pytest.mark.parametrize("cut", [100, 512, 700, 1023])
def test_a_tar_that_is_cut(cut: int, tmp_path: Path) -> None:
    with pytest.raises(TarError, match="unexpected EOF"):
        taken_in(entry("a", b"x" * 600)[:cut], tmp_path)


@pytest.mark.parametrize("kind", [b"x", b"L", b"K"])
def test_special_headers_are_bounded(kind: bytes, tmp_path: Path) -> None:
    huge = patched(patched(entry("x"), 156, kind), 124, b"00100000000\0")
    with pytest.raises(TarError, match="too long"):
        taken_in(huge + bytes(1 << 24), tmp_path, 1 << 20)


def test_global_headers_are_passed_over(tmp_path: Path) -> None:
    comment = patched(entry("pax_global_header", b"13 comment=x\n"), 156, b"g")
    data = tar(comment, entry("a", b"x"))
    assert taken_in(data, tmp_path) == ({b"a": b"x"}, data)


def test_one_zero_block_in_the_middle(tmp_path: Path) -> None:
    with pytest.raises(TarError, match="invalid tar header"):
        taken_in(entry("a") + bytes(512) + entry("b") + END, tmp_path)


def test_an_impossible_owner(tmp_path: Path) -> None:
    with pytest.raises(TarError, match="invalid tar header"):
        taken_in(tar(entry("a", uid=0xFFFFFFFF)), tmp_path)


def test_a_skeleton_that_was_not_finished(tmp_path: Path) -> None:
    descriptor = os.open(tmp_path / "s", os.O_RDWR | os.O_CREAT)
    Writer(descriptor).raw(b"x" * 100_000)
    with pytest.raises(TarError, match="damaged"):
        list(records(descriptor))
    os.close(descriptor)


def test_a_damaged_skeleton(tmp_path: Path) -> None:
    descriptor = os.open(tmp_path / "s", os.O_RDWR | os.O_CREAT)
    writer = Writer(descriptor)
    writer.raw(os.urandom(5000))
    writer.file(b"a/path", 7)
    writer.moved(b"a")
    writer.finish(99)
    whole = list(records(descriptor))
    assert [(kind, number) for kind, number, _ in whole] == [(RAW, 0), (FILE, 7), (MOVED, 1)]
    os.truncate(descriptor, os.fstat(descriptor).st_size // 2)
    with pytest.raises(TarError, match="damaged"):
        list(records(descriptor))
    os.close(descriptor)
