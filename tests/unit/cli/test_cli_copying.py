"""``cp``: what goes where, and archives that lie."""

import io
import os
import socket
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pier.cli import tars
from pier.cli.command import Failure
from pier.cli.copying import End, keep_end, plan, split, split_argument
from pier.client.http import Connection, Response
from pier.errors import DataCorrupted


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("c:/a", ("c", "/a")),
        ("c:a:b", ("c", "a:b")),
        ("/a:b", ("", "/a:b")),
        ("./a:b", ("", "./a:b")),
        ("a", ("", "a")),
        ("-", ("", "-")),
    ],
)
def test_arguments(text: str, expected: tuple[str, str]) -> None:
    assert split_argument(text) == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/a/b", ("/a", "b")),
        ("/a/b/", ("/a", "b")),
        ("/a/b/.", ("/a/b", ".")),
        ("b", (".", "b")),
        (".", (".", ".")),
        ("/", ("/", "/")),
        ("//a", ("/", "a")),
        ("/a/../b", ("/", "b")),
    ],
)
def test_splitting(path: str, expected: tuple[str, str]) -> None:
    assert split(path) == expected


def test_ends_are_kept() -> None:
    assert [keep_end("/x", text) for text in ("a", "a/", "a/.", ".")] == ["/x", "/x/", "/x/.", "/x/."]


def file(path: str, exists: bool = True) -> End:
    return End(path, exists, False)


def folder(path: str) -> End:
    return End(path, True, True)


@pytest.mark.parametrize(
    ("source", "target", "where", "name", "becomes"),
    [
        (file("/s/f"), folder("/d"), "/d", "f", "f"),
        (file("/s/f"), file("/d/g"), "/d", "f", "g"),
        (file("/s/f"), file("/d/g", exists=False), "/d", "f", "g"),
        (folder("/s/f"), folder("/d"), "/d", "f/x", "f/x"),
        (folder("/s/f"), file("/d/g", exists=False), "/d", "f/x", "g/x"),
        (folder("/s/f/."), folder("/d"), "/d", "./x", "./x"),
        (folder("/s/f/."), file("/d/g", exists=False), "/d", "./x", "g/x"),
        (folder("/"), file("/d/g", exists=False), "/d", "etc", "g/etc"),
    ],
)
def test_plans(source: End, target: End, where: str, name: str, becomes: str) -> None:
    decided = plan(source, target)
    assert (decided.folder, decided.rename(name)) == (where, becomes)


@pytest.mark.parametrize(
    ("source", "target", "message"),
    [
        (folder("/s"), file("/d/f"), "cannot copy directory"),
        (file("/s"), file("/d/new/", exists=False), "no such directory"),
        (file("/s"), file("/d/new/.", exists=False), "no such directory"),
    ],
)
def test_impossible(source: End, target: End, message: str) -> None:
    with pytest.raises(Failure, match=message):
        plan(source, target)


def same(name: str) -> str:
    return name


def entry(name: str, content: bytes = b"", **fields: object) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    info.mode = 0o644
    for field, value in fields.items():
        setattr(info, field, value)
    return info, content


def archive(*entries: tuple[tarfile.TarInfo, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for info, content in entries:
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


Unpack = Callable[[bytes, Path], int]


@pytest.fixture
def unpack() -> Iterator[Unpack]:
    sockets: list[socket.socket] = []

    def run(data: bytes, where: Path) -> int:
        ours, theirs = socket.socketpair()
        sockets.extend((ours, theirs))
        connection = Connection(ours)
        connection.buffer = data
        return tars.unpack(
            Response(connection, 200, {"content-length": str(len(data))}, "GET"), str(where), same, False
        )

    yield run
    for each in sockets:
        each.close()


def test_round_trip(tmp_path: Path, unpack: Unpack) -> None:
    source = tmp_path / "source"
    (source / "sub" / "deep").mkdir(parents=True)
    (source / "a").write_bytes(os.urandom(300_000))
    (source / "a").chmod(0o640)
    os.utime(source / "a", (1000, 1000))
    (source / "sub" / "empty").touch()
    (source / "sub" / "link").symlink_to("../a")
    (source / ("n" * 200)).write_text("long name")
    target = tmp_path / "target"
    target.mkdir()
    unpack(b"".join(tars.pack(str(tmp_path), "source", same)), target)
    copy = target / "source"
    assert (copy / "a").read_bytes() == (source / "a").read_bytes()
    assert ((copy / "a").stat().st_mode & 0o7777, (copy / "a").stat().st_mtime) == (0o640, 1000)
    assert os.readlink(copy / "sub" / "link") == "../a"
    assert (copy / ("n" * 200)).read_text() == "long name"
    assert sorted(path.name for path in (copy / "sub").iterdir()) == ["deep", "empty", "link"]


def test_entries_are_renamed(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "x").write_text("1")
    data = b"".join(tars.pack(str(tmp_path), "d", lambda name: name.replace("d", "e", 1)))
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        assert tar.getnames() == ["e", "e/x"]


@pytest.mark.parametrize(
    "entries",
    [
        (entry("../evil", b"x"),),
        (entry("a/../../evil", b"x"),),
        (entry("a", type=tarfile.SYMTYPE, linkname="/tmp"), entry("a/evil", b"x")),
        (entry("a", type=tarfile.SYMTYPE, linkname=".."), entry("a/evil", b"x")),
        (entry("a", type=tarfile.LNKTYPE, linkname="../secret"),),
        (entry("s", type=tarfile.SYMTYPE, linkname="/etc"), entry("a", type=tarfile.LNKTYPE, linkname="s/passwd")),
    ],
)
def test_nothing_leaves_the_folder(
    entries: tuple[tuple[tarfile.TarInfo, bytes], ...], tmp_path: Path, unpack: Unpack
) -> None:
    (tmp_path / "secret").write_text("secret")
    inside = tmp_path / "inside"
    inside.mkdir()
    with pytest.raises(DataCorrupted):
        unpack(archive(*entries), inside)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["inside", "secret"]


def test_absolute_names_are_below_the_folder(tmp_path: Path, unpack: Unpack) -> None:
    unpack(archive(entry("/etc/x", b"1")), tmp_path)
    assert (tmp_path / "etc" / "x").read_bytes() == b"1"


def test_a_file_replaces_a_link_instead_of_following_it(tmp_path: Path, unpack: Unpack) -> None:
    secret = tmp_path / "secret"
    secret.write_text("old")
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "f").symlink_to(secret)
    unpack(archive(entry("f", b"new")), inside)
    assert (secret.read_text(), (inside / "f").read_text()) == ("old", "new")


@pytest.mark.parametrize("cut", [100, 600, 1200])
def test_broken_archives(cut: int, tmp_path: Path, unpack: Unpack) -> None:
    data = archive(entry("a", b"x" * 2000))
    with pytest.raises(DataCorrupted):
        unpack(b"garbage" * 100 if cut == 100 else data[:cut], tmp_path)


def test_kinds_do_not_replace_each_other(tmp_path: Path, unpack: Unpack) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "f").touch()
    with pytest.raises(Failure, match="cannot overwrite directory"):
        unpack(archive(entry("d", b"x")), tmp_path)
    with pytest.raises(Failure, match="cannot overwrite non-directory"):
        unpack(archive(entry("f", type=tarfile.DIRTYPE)), tmp_path)
