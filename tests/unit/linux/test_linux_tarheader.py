"""Tar headers as various tars write them, and as no tar should."""

import io
import tarfile
from typing import Any, Literal

import pytest

from pier.linux.helper_pack import encode
from pier.linux.helper_tarheader import (
    FOLDER,
    REGULAR,
    Header,
    TarError,
    apply_pax,
    clean,
    complete,
    number,
    parse_header,
    parse_pax,
    printable,
)
from pier.testing.tars import entry, patched

NANO = 1_000_000_000
Form = Literal[0, 1, 2]


def blocks(info: tarfile.TarInfo, form: Form) -> list[bytes]:
    data = info.tobuf(form)
    return [data[at : at + 512] for at in range(0, len(data), 512)]


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_plain_fields(form: Form) -> None:
    info = tarfile.TarInfo("dir/file")
    info.mode, info.uid, info.gid, info.size, info.mtime = 0o4755, 1000, 2000, 12345, 1_700_000_000
    header = parse_header(blocks(info, form)[-1])
    assert header is not None
    assert (header.name, header.kind, header.mode, header.size) == (b"dir/file", REGULAR, 0o4755, 12345)
    assert (header.uid, header.gid, header.mtime) == (1000, 2000, 1_700_000_000 * NANO)


def test_ustar_prefix() -> None:
    info = tarfile.TarInfo("p" * 120 + "/" + "n" * 90)
    header = parse_header(blocks(info, tarfile.USTAR_FORMAT)[0])
    assert header is not None and header.name == info.name.encode()


def test_gnu_base_256_numbers() -> None:
    info = tarfile.TarInfo("x")
    info.size, info.uid = 1 << 40, 1 << 31
    header = parse_header(blocks(info, tarfile.GNU_FORMAT)[-1])
    assert header is not None and (header.size, header.uid) == (1 << 40, 1 << 31)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b"0000644\0", 0o644),
        (b"    644 ", 0o644),
        (b"\0" * 8, 0),
        (b"        ", 0),
        (b"644\0junk", 0o644),
        (b"\x80\0\0\0\0\0\x01\0", 256),
        (b"\xff" * 8, -1),
    ],
)
def test_numbers(text: bytes, value: int) -> None:
    assert number(text) == value


@pytest.mark.parametrize("text", [b"0000689\0", b"-000644\0", b"0x1\0\0\0\0\0", b"1 2\0\0\0\0\0"])
def test_no_numbers(text: bytes) -> None:
    with pytest.raises(TarError):
        number(text)


def test_a_folder_of_old_is_told_by_its_slash() -> None:
    for name, kind in (("old/", FOLDER), ("old", REGULAR)):
        header = parse_header(patched(entry(name), 156, b"\0"))
        assert header is not None and complete(header, b"", b"", []).kind == kind


def test_zeros_are_no_header() -> None:
    assert parse_header(bytes(512)) is None


@pytest.mark.parametrize(
    "block",
    [
        b"x" * 512,
        entry("x")[:100] + b"8" + entry("x")[101:],
        patched(entry("x"), 124, b"\xff" * 12),
        patched(entry("x"), 124, b"\x80" + b"\xff" * 11),
        patched(entry("x"), 124, b"99999999999\0"),
    ],
    ids=["noise", "checksum", "negative size", "huge size", "not octal"],
)
def test_bad_headers(block: bytes) -> None:
    with pytest.raises(TarError, match="invalid tar header"):
        parse_header(block)


@pytest.mark.parametrize("numbers", [(-1, 0), (0, 1 << 32), (1 << 40, 1)])
def test_device_numbers_that_no_device_has(numbers: tuple[int, int]) -> None:
    with pytest.raises(TarError, match=r"^invalid device number of"):
        Header(b"n", b"3", 0o600, 0, 0, 0, 0, b"", *numbers).device()


def pax(**records: Any) -> Header:
    header = Header(b"n", REGULAR, 0o644, 0, 0, 1, 0, b"")
    data = b""
    for key, value in records.items():
        body = b" %b=%b\n" % (key.replace("__", ".").encode(), value)
        length = len(body) + len(str(len(body) + 3))
        data += str(length).encode() + body
    apply_pax(header, parse_pax(data))
    return header


def test_pax_records_override() -> None:
    header = pax(path=b"long/\xc3\xa4", linkpath=b"l", size=b"99", uid=b"70000", gid=b"80000")
    assert (header.name, header.link, header.size) == ("long/ä".encode(), b"l", 99)
    assert (header.uid, header.gid) == (70000, 80000)
    assert pax(SCHILY__xattr__user__a=b"\0\xff=\n").xattrs == {b"user.a": b"\0\xff=\n"}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b"1", NANO),
        (b"1.5", 1_500_000_000),
        (b"1700000000.123456789", 1_700_000_000_123_456_789),
        (b"1.1234567899", 1_123_456_789),
        (b"-1.5", -1_500_000_000),
        (b"0.000000001", 1),
    ],
)
def test_pax_times_are_exact(text: bytes, value: int) -> None:
    assert pax(mtime=text).mtime == value


@pytest.mark.parametrize(
    "data",
    [
        b"x",
        b"5 a=b",
        b"3 a=b\n",
        b"99 a=b\n",
        b"6 ab\n\n",
        b"0 a=b\n",
        b"-6 a=b\n",
        b"6 =bc\n",
        b"10 path=\0\n",
        b"9999999999999999999999 a=b\n",
    ],
)
def test_bad_pax(data: bytes) -> None:
    with pytest.raises(TarError, match="invalid tar header"):
        parse_pax(data)


@pytest.mark.parametrize("record", [{"size": b"-1"}, {"size": b"9" * 30}, {"uid": b"x"}, {"mtime": b"1e9"}])
def test_bad_pax_values(record: dict[str, bytes]) -> None:
    with pytest.raises(TarError, match="invalid tar header"):
        pax(**record)


@pytest.mark.parametrize(
    ("name", "path"),
    [
        (b"a/b", b"a/b"),
        (b"./a//b/", b"a/b"),
        (b"/etc/passwd", b"etc/passwd"),
        (b"a/../b", b"b"),
        (b"a/./b/..", b"a"),
        (b"./", b""),
        (b"/", b""),
        (b"", b""),
        (b"..a/b..", b"..a/b.."),
        (b"\xff\n", b"\xff\n"),
    ],
)
def test_cleaning(name: bytes, path: bytes) -> None:
    assert clean(name) == path


@pytest.mark.parametrize("name", [b"..", b"../x", b"/../x", b"a/../../x", b"./../x"])
def test_names_outside(name: bytes) -> None:
    with pytest.raises(TarError, match="outside of the layer"):
        clean(name)


def test_nul_in_a_name() -> None:
    with pytest.raises(TarError, match="invalid tar header"):
        clean(b"a\0b")


def test_printable_names_are_one_line() -> None:
    assert printable(b'a\nb"\xff') == '"a\\nb\\"\\xff"'
    assert len(printable(b"x" * 5000)) < 250


@pytest.mark.parametrize(
    "header",
    [
        Header(b"plain", REGULAR, 0o644, 0, 0, 5, 0, b""),
        Header(b"d" * 150 + b"/" + b"n" * 250, REGULAR, 0o4711, 1, 2, 3, 1_700_000_000_000_000_001, b""),
        Header("ä".encode(), REGULAR, 0o644, 1 << 22, 1 << 23, 1 << 34, -NANO, b""),
        Header(b"\xff\xfe", REGULAR, 0, 0, 0, 0, 0, b"", xattrs={b"security.capability": b"\0\1\2"}),
        Header(b"l", b"2", 0o777, 0, 0, 0, 0, b"t" * 300),
        Header(b"c", b"3", 0o600, 0, 0, 0, 0, b"", 1, 5),
    ],
)
def test_what_is_written_is_read_again(header: Header) -> None:
    data = encode(header)
    assert len(data) % 512 == 0
    found = parse_header(data[-512:])
    assert found is not None
    if len(data) > 512:
        extended = parse_header(data[:512])
        assert extended is not None and extended.kind == b"x"
        apply_pax(found, parse_pax(data[512 : 512 + extended.size]))
    assert vars(found) == vars(header)


def test_other_readers_understand_what_is_written() -> None:
    header = Header("ö".encode() * 80, REGULAR, 0o644, 5, 6, 3, 1_500_000_000, b"", xattrs={b"user.x": b"y"})
    with tarfile.open(fileobj=io.BytesIO(encode(header) + b"abc".ljust(512, b"\0") + bytes(1024))) as archive:
        (member,) = archive.getmembers()
        assert (member.name, member.size, member.mtime) == ("ö" * 80, 3, 1.5)
        assert member.pax_headers["SCHILY.xattr.user.x"] == "y"
