"""What a client tells of goes into the folder, and nowhere else."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from pier.api.buildkit.freshfolder import FreshFolder
from pier.api.buildkit.gomode import go_mode
from pier.api.buildkit.proto.fsutil_pb2 import Stat
from pier.errors import InvalidArgument


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "outside").write_text("untouched")
    (tmp_path / "root").mkdir()
    return tmp_path / "root"


@pytest.fixture
def folder(root: Path) -> Iterator[FreshFolder]:
    made = FreshFolder(root)
    yield made
    made.close()


def told(path: str, mode: int, link: str = "") -> Stat:
    return Stat(path=os.fsencode(path), mode=go_mode(mode), modTime=1_500_000_000_123_456_789, linkname=link.encode())


def test_everything_that_there_is(folder: FreshFolder, root: Path) -> None:
    assert not folder.entry(told("d", stat.S_IFDIR | 0o555))
    assert folder.entry(told("d/f\udcff\n", stat.S_IFREG | 0o4755))
    assert not folder.entry(told("d/l", stat.S_IFLNK | 0o777, "/anywhere"))
    folder.write(1, b"con")
    folder.write(1, b"tent")
    folder.finish(1)
    assert not folder.entry(told("h", stat.S_IFREG | 0o644, "d/l"))
    folder.done()
    file = root / "d/f\udcff\n"
    assert file.read_bytes() == b"content"
    assert file.stat().st_mode & 0o7777 == 0o4755
    assert file.stat().st_mtime_ns == 1_500_000_000_123_456_789
    assert (root / "d").stat().st_mode & 0o7777 == 0o555
    assert (root / "d").stat().st_mtime_ns == 1_500_000_000_123_456_789
    assert (root / "d/l").readlink() == Path("/anywhere")
    assert (root / "h").is_symlink()


@pytest.mark.parametrize("path", ["../x", "/x", "a//b", "a/../b", "", ".", "missing/x", "x/"])
def test_paths_that_are_none(folder: FreshFolder, root: Path, path: str) -> None:
    for mode in (stat.S_IFREG | 0o644, stat.S_IFDIR | 0o755, stat.S_IFLNK | 0o777):
        with pytest.raises(InvalidArgument, match="cannot take"):
            folder.entry(told(path, mode, "somewhere"))
    assert list(root.iterdir()) == []
    assert sorted(path.name for path in root.parent.iterdir()) == ["outside", "root"]


def test_links_are_no_way_out(folder: FreshFolder, root: Path) -> None:
    folder.entry(told("l", stat.S_IFLNK | 0o777, str(root.parent)))
    for number, path in enumerate(("l/new", "l/outside"), start=1):
        with pytest.raises(InvalidArgument, match="cannot take"):
            folder.entry(told(path, stat.S_IFREG | 0o644))
            folder.write(number, b"x")
    with pytest.raises(InvalidArgument, match="cannot take"):
        folder.entry(told("h", stat.S_IFREG | 0o644, "l/outside"))
    with pytest.raises(InvalidArgument, match="cannot take"):
        folder.entry(told("h", stat.S_IFREG | 0o644, "../outside"))
    assert (root.parent / "outside").read_text() == "untouched"


def test_a_name_twice(folder: FreshFolder) -> None:
    folder.entry(told("f", stat.S_IFREG | 0o644))
    folder.entry(told("f", stat.S_IFREG | 0o644))
    folder.finish(0)
    with pytest.raises(InvalidArgument, match="File exists"):
        folder.finish(1)


def test_many_files_at_a_time(folder: FreshFolder) -> None:
    """Told of, they cost nothing; sent, each is an open file."""
    for number in range(5000):
        assert folder.entry(told(f"f{number}", stat.S_IFREG | 0o644))
    with pytest.raises(InvalidArgument, match="more than 64 files at a time"):
        for number in range(5000):
            folder.write(number, b"x")


@pytest.mark.parametrize("kind", [stat.S_IFCHR, stat.S_IFBLK, stat.S_IFIFO, stat.S_IFSOCK])
def test_devices_are_left_out(folder: FreshFolder, root: Path, kind: int) -> None:
    assert not folder.entry(told("dev", kind | 0o600))
    assert list(root.iterdir()) == []
