"""docker cp's helper on hostile trees: what it reads, what it writes, and what it must not reach."""

import gzip
import io
import os
import stat
import tarfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from pier.errors import DataCorrupted, InvalidArgument, NotFound
from pier.linux import treecopy
from pier.linux.mount import Mount, mounted
from pier.linux.treecopy import Bind, View


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A container's root, with a secret beside it that its links point to."""
    (tmp_path / "secret").write_text("secret")
    root = tmp_path / "root"
    (root / "d" / "sub").mkdir(parents=True)
    (root / "d" / "f").write_text("hi\n")
    (root / "d" / "f").chmod(0o4755)
    os.symlink("/d", root / "ld")
    os.symlink("f", root / "d" / "lf")
    os.symlink("/d/lf", root / "ll")
    os.symlink("nowhere", root / "broken")
    os.symlink("loop", root / "loop")
    os.symlink("../../../../secret", root / "out")
    os.symlink(str(tmp_path), root / "host")
    os.mkfifo(root / "d" / "pipe")
    os.link(root / "d" / "f", root / "d" / "sub" / "hard")
    return root


async def _members(view: View, path: str, name: str) -> dict[str, tarfile.TarInfo]:
    data = b"".join([piece async for piece in treecopy.read(view, path, name)])
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        return {member.name: member for member in archive}


def _tar(*entries: tuple[str, dict[str, Any]]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, fields in entries:
            member = tarfile.TarInfo(name)
            data = fields.pop("data", b"")
            member.size = len(data)
            for key, value in fields.items():
                setattr(member, key, value)
            archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


async def _stream(data: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(data), 1000):
        yield data[start : start + 1000]


async def _put(tree: Path, path: str, data: bytes, **wishes: Any) -> None:
    await treecopy.write(View(tree), path, _stream(data), **wishes)


@pytest.mark.parametrize(
    ("path", "kind", "target"),
    [
        ("/d", stat.S_IFDIR, ""),
        ("/ld", stat.S_IFLNK, "/d"),
        ("/ld/", stat.S_IFDIR, ""),
        ("/ld/.", stat.S_IFDIR, ""),
        ("/ld/f", stat.S_IFREG, ""),
        ("/ll", stat.S_IFLNK, "/d/f"),
        ("/broken", stat.S_IFLNK, "/nowhere"),
        ("/out", stat.S_IFLNK, "/secret"),
        ("/", stat.S_IFDIR, ""),
        ("/d/pipe", stat.S_IFIFO, ""),
    ],
)
async def test_describe(tree: Path, path: str, kind: int, target: str) -> None:
    facts = await treecopy.describe(View(tree), path)
    assert (stat.S_IFMT(facts.mode), facts.target) == (kind, target)


@pytest.mark.parametrize("path", ["/nope", "/nope/x", "/broken/", "/out/", "/host/secret"])
async def test_what_is_not_there(tree: Path, path: str) -> None:
    with pytest.raises(NotFound):
        await treecopy.describe(View(tree), path)
    with pytest.raises(NotFound):
        await _members(View(tree), path, "x")


@pytest.mark.parametrize(("path", "text"), [("/d/f/", "lstat /d/f/: not a directory"), ("/loop/", "too many levels")])
async def test_what_cannot_be(tree: Path, path: str, text: str) -> None:
    with pytest.raises(InvalidArgument, match=text):
        await treecopy.describe(View(tree), path)


async def test_a_loop_ends(tree: Path) -> None:
    with pytest.raises(InvalidArgument, match="too many levels of symbolic links"):
        await treecopy.describe(View(tree), "/loop")


async def test_reading_a_folder(tree: Path) -> None:
    found = await _members(View(tree), "/d", "d")
    assert list(found) == ["d", "d/f", "d/lf", "d/pipe", "d/sub", "d/sub/hard"]
    assert found["d/f"].mode == 0o4755
    assert found["d/lf"].linkname == "f"
    assert (found["d/sub/hard"].islnk(), found["d/sub/hard"].linkname) == (True, "d/f")
    assert list(await _members(View(tree), "/ld/.", ".")) == ["." + name[1:] for name in found]
    assert list(await _members(View(tree), "/ld", "ld")) == ["ld"]


async def test_a_very_deep_tree(tree: Path) -> None:
    here = os.open(tree, os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("x", dir_fd=here)
        below = os.open("x", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    assert len(await _members(View(tree), "/x", "x")) == 1500
    await _put(tree, "/", _tar(("x", {"data": b"x"})))
    assert (tree / "x").read_bytes() == b"x"


async def test_skipped_file_systems_unless_asked_for(tree: Path) -> None:
    (tree / "proc").mkdir()
    (tree / "etc").mkdir()
    overlay = Mount("tmpfs", "tmpfs", tree / "proc")
    secret = str(tree.parent / "secret")
    view = View(tree, (overlay,), (Bind(secret, "/proc/inner"), Bind(secret, "/etc/new", read_only=True)))
    assert "proc/inner" in await _members(view, "/proc", "proc")
    found = await _members(view, "/", "/")
    assert {"/etc/new", "/proc"} <= set(found)
    assert not mounted(tree / "proc")
    assert not (tree / "proc" / "inner").exists()


async def test_a_bind_cannot_be_led_out(tree: Path) -> None:
    (tree.parent / "victim").mkdir()
    os.symlink("../../victim", tree / "vol")
    (tree / "scratch").mkdir()
    view = View(tree, (Mount("tmpfs", "tmpfs", tree / "scratch"),), (Bind(str(tree.parent / "secret"), "/vol/new"),))
    await treecopy.describe(view, "/")
    assert list((tree.parent / "victim").iterdir()) == []


async def test_writing(tree: Path) -> None:
    data = _tar(
        ("new/deep/x", {"data": b"x" * 5000, "uid": 7, "gid": 8, "mode": 0o640, "mtime": 1234}),
        ("link", {"type": tarfile.SYMTYPE, "linkname": "new/deep/x"}),
        ("hard", {"type": tarfile.LNKTYPE, "linkname": "new/deep/x"}),
        ("node", {"type": tarfile.CHRTYPE, "devmajor": 1, "devminor": 3, "mode": 0o666}),
        (".wh.f", {"data": b""}),
    )
    await _put(tree, "/ld", gzip.compress(data))
    made = tree / "d" / "new" / "deep" / "x"
    assert made.read_bytes() == b"x" * 5000
    status = made.stat()
    assert (status.st_uid, status.st_gid, status.st_mode & 0o7777, int(status.st_mtime)) == (7, 8, 0o640, 1234)
    assert status.st_nlink == 2
    assert os.readlink(tree / "d" / "link") == "new/deep/x"
    assert stat.S_ISCHR((tree / "d" / "node").stat().st_mode)
    assert (tree / "d" / "f").exists()


async def test_everything_for_one_owner(tree: Path) -> None:
    await _put(tree, "/", _tar(("a/b", {"data": b"x", "uid": 7})), owner=(5, 6))
    for path in ("a", "a/b"):
        status = (tree / path).stat()
        assert (status.st_uid, status.st_gid) == (5, 6)


async def test_kinds_are_kept_on_request(tree: Path) -> None:
    with pytest.raises(InvalidArgument, match='cannot overwrite directory "/d" with non-directory "/"'):
        await _put(tree, "/", _tar(("d", {"data": b"x"})), keep_kinds=True)
    with pytest.raises(InvalidArgument, match='cannot overwrite non-directory "/d/f" with directory "/"'):
        await _put(tree, "/", _tar(("d/f", {"type": tarfile.DIRTYPE})), keep_kinds=True)
    await _put(tree, "/", _tar(("d", {"data": b"x"})))
    assert (tree / "d").read_bytes() == b"x"


async def test_where_it_cannot_be_unpacked(tree: Path) -> None:
    with pytest.raises(InvalidArgument, match=r"^extraction point is not a directory$"):
        await _put(tree, "/d/f", _tar(("x", {})))
    with pytest.raises(NotFound):
        await _put(tree, "/nope", _tar(("x", {})))
    with pytest.raises(NotFound):
        await _put(tree, "/broken", _tar(("x", {})))


async def test_names_that_lead_out(tree: Path) -> None:
    with pytest.raises(DataCorrupted, match=r'"../../evil" is outside of "/d"'):
        await _put(tree, "/d", _tar(("../../evil", {"data": b"x"})))
    with pytest.raises(DataCorrupted, match="invalid hardlink"):
        await _put(tree, "/d", _tar(("hl", {"type": tarfile.LNKTYPE, "linkname": "../../secret"})))
    await _put(tree, "/d", _tar(("/abs", {"data": b"x"})))
    assert (tree / "d" / "abs").read_bytes() == b"x"


async def test_links_lead_nowhere_outside(tree: Path) -> None:
    (tree / "etc").mkdir()
    data = _tar(
        ("esc", {"type": tarfile.SYMTYPE, "linkname": "../../../../../etc"}),
        ("esc/pwn", {"data": b"x"}),
        ("host", {"type": tarfile.SYMTYPE, "linkname": str(tree.parent)}),
    )
    await _put(tree, "/d", data)
    assert (tree / "etc" / "pwn").read_bytes() == b"x"
    with pytest.raises(DataCorrupted):
        await _put(tree, "/d", _tar(("lf/x", {"data": b"x"})))
    await _put(tree, "/", _tar(("out", {"data": b"changed"})))
    assert (tree.parent / "secret").read_text() == "secret"


async def test_magic_links_are_not_followed(tree: Path) -> None:
    """A container with the host's /proc: its links through /proc/1/root must not reach the host's root."""
    (tree / "proc").mkdir()
    root = f"/proc/{os.getpid()}/root"
    os.symlink(f"{root}/etc", tree / "trap")
    view = View(tree, (Mount("proc", "proc", tree / "proc"),))
    for path in ("/trap/passwd", f"{root}/etc/passwd"):
        with pytest.raises(InvalidArgument, match="too many levels of symbolic links"):
            await treecopy.describe(view, path)
    with pytest.raises(InvalidArgument, match="too many levels of symbolic links"):
        await treecopy.write(view, f"/proc/{os.getpid()}/root{tree.parent}", _stream(_tar(("x", {"data": b"x"}))))
    assert not (tree.parent / "x").exists()


@pytest.mark.parametrize("data", [b"garbage\n", _tar(("f", {"data": b"x" * 5000}))[:3000]])
async def test_broken_archives(tree: Path, data: bytes) -> None:
    with pytest.raises(DataCorrupted, match="unexpected EOF"):
        await _put(tree, "/", data)


async def test_a_device_number_that_no_device_has(tree: Path) -> None:
    info = tarfile.TarInfo("node")
    info.type, info.devmajor = tarfile.CHRTYPE, 1 << 40
    with pytest.raises(DataCorrupted, match="invalid device number"):
        await _put(tree, "/", info.tobuf(tarfile.GNU_FORMAT) + bytes(1024))
    assert not (tree / "node").exists()


async def test_an_empty_archive(tree: Path) -> None:
    before = sorted(os.listdir(tree))
    await _put(tree, "/", b"")
    assert sorted(os.listdir(tree)) == before


async def test_packing_leaves_out_what_is_mounted(tree: Path) -> None:
    (tree / "m").mkdir()
    view = View(tree, (Mount("tmpfs", "tmpfs", tree / "m"),), (Bind(str(tree.parent), "/m/inner"),))
    data = b"".join([piece async for piece in treecopy.pack(view)])
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        names = archive.getnames()
    assert "d/f" in names
    assert not any(name.startswith("m/") for name in names)


async def test_a_reader_that_leaves_ends_the_helper(tree: Path) -> None:
    (tree / "big").write_bytes(bytes(20_000_000))
    stream = treecopy.read(View(tree), "/big", "big")
    async for piece in stream:
        assert piece
        break
    await stream.aclose()
