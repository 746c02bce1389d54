"""What a client tells of goes into the folder, and nowhere else."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from pier.build.context.entry import Entry
from pier.build.context.freshfolder import FreshFolder
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


def told(path: str, mode: int, link: str = "") -> Entry:
    return Entry(path, mode, modified=1_500_000_000_123_456_789, link=link)


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
        folder.entry(told("h", stat.S_IFREG | 0o644, "../outside"))
    assert not folder.entry(told("h", stat.S_IFREG | 0o644, "l/outside"))
    with pytest.raises(InvalidArgument, match="cannot take"):
        folder.done()
    assert (root.parent / "outside").read_text() == "untouched"


def test_a_name_more_of_a_file_whose_content_comes_later(folder: FreshFolder, root: Path) -> None:
    assert folder.entry(told("a", stat.S_IFREG | 0o644))
    assert not folder.entry(told("b", stat.S_IFREG | 0o644, "a"))
    folder.write(0, b"content")
    folder.finish(0)
    folder.done()
    assert (root / "b").read_bytes() == b"content"
    assert os.lstat(root / "b").st_ino == os.lstat(root / "a").st_ino


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


@pytest.mark.parametrize("kind", [stat.S_IFCHR, stat.S_IFBLK, stat.S_IFIFO])
def test_nodes_are_what_they_are(folder: FreshFolder, root: Path, kind: int) -> None:
    device = 0 if kind == stat.S_IFIFO else os.makedev(1, 3)
    assert not folder.entry(told("node", kind | 0o640)._replace(device=device))
    made = os.lstat(root / "node")
    assert (made.st_mode, made.st_rdev) == (kind | 0o640, device)


def test_sockets_are_left_out(folder: FreshFolder, root: Path) -> None:
    assert not folder.entry(told("socket", stat.S_IFSOCK | 0o600))
    assert list(root.iterdir()) == []


@pytest.mark.parametrize("path", ["...", ".a", "a.", "..b", ".\n", "\n", "x\n/.."])
def test_odd_names_are_names(folder: FreshFolder, path: str) -> None:
    if path.endswith("/.."):
        with pytest.raises(InvalidArgument, match="cannot take"):
            folder.entry(told(path, stat.S_IFREG | 0o644))
    else:
        assert folder.entry(told(path, stat.S_IFREG | 0o644))
