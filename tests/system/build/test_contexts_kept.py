"""A folder that stays: what is asked for again, and what goes."""

import os
import stat
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from pier.build.context.entry import Entry
from pier.build.context.keptfolder import KeptFolder
from pier.errors import InvalidArgument
from pier.linux.trees import remove_tree

DIR, FILE, LINK = stat.S_IFDIR | 0o755, stat.S_IFREG | 0o644, stat.S_IFLNK | 0o777
TIME = 1_600_000_000_000_000_001


def told(path: str, mode: int = FILE, data: bytes = b"", time: int = TIME, **more: Any) -> tuple[Entry, bytes]:
    size = len(data) if stat.S_ISREG(mode) else 0
    return Entry(path, mode, size, time, **more), data


def bring(root: Path, *entries: tuple[Entry, bytes]) -> list[str]:
    """Which contents were wanted."""
    wanted = []
    with closing(KeptFolder(root)) as folder:
        for number, (entry, data) in enumerate(entries):
            if folder.entry(entry):
                wanted.append(entry.path)
                folder.write(number, data)
                folder.finish(number)
        folder.done()
    return wanted


def tree(root: Path) -> dict[str, bytes | str]:
    found: dict[str, bytes | str] = {}
    for path in sorted(root.rglob("*")):
        name = str(path.relative_to(root))
        found[name] = str(path.readlink()) if path.is_symlink() else "" if path.is_dir() else path.read_bytes()
    return found


def test_only_what_has_changed_is_wanted(tmp_path: Path) -> None:
    first = [told("d", DIR), told("d/a", data=b"a"), told("d/b", data=b"b"), told("l", LINK, link="d/a")]
    assert bring(tmp_path, *first) == ["d/a", "d/b"]
    assert bring(tmp_path, *first) == []
    assert bring(tmp_path, first[0], told("d/a", data=b"A", time=TIME + 1), first[2], first[3]) == ["d/a"]
    assert bring(tmp_path, first[0], told("d/a", stat.S_IFREG | 0o755, b"A", TIME + 1), first[2], first[3]) == ["d/a"]
    assert tree(tmp_path) == {"d": "", "d/a": b"A", "d/b": b"b", "l": "d/a"}


def test_what_is_not_told_of_goes(tmp_path: Path) -> None:
    bring(tmp_path, told("d", DIR), told("d/e", DIR), told("d/e/f", data=b"f"), told("g", data=b"g"))
    bring(tmp_path, told("d", DIR), told("h", data=b"h"))
    assert tree(tmp_path) == {"d": "", "h": b"h"}


@pytest.mark.parametrize("before", [told("x", DIR), told("x", data=b"1"), told("x", LINK, link="y")])
@pytest.mark.parametrize("after", [told("x", DIR), told("x", data=b"2", time=TIME + 5), told("x", LINK, link="z")])
def test_one_kind_becomes_another(tmp_path: Path, before: tuple[Entry, bytes], after: tuple[Entry, bytes]) -> None:
    bring(tmp_path, before)
    bring(tmp_path, after)
    assert stat.S_IFMT(os.lstat(tmp_path / "x").st_mode) == stat.S_IFMT(after[0].mode)


def test_a_part_of_a_file_is_not_the_file(tmp_path: Path) -> None:
    with closing(KeptFolder(tmp_path)) as folder:
        assert folder.entry(told("f", data=b"12345")[0])
        folder.write(0, b"12345")
    assert bring(tmp_path, told("f", data=b"12345")) == ["f"]


def test_linked_files(tmp_path: Path) -> None:
    bring(tmp_path, told("a", data=b"1"), told("b", link="a"))
    assert (tmp_path / "a").stat().st_ino == (tmp_path / "b").stat().st_ino
    bring(tmp_path, told("a", data=b"2", time=TIME + 1), told("b", data=b"1"))
    assert tree(tmp_path) == {"a": b"2", "b": b"1"}


def test_folders_that_are_the_same_are_left_alone(tmp_path: Path) -> None:
    """What is known of them by their time of change stays true."""
    entries = [told("d", DIR), told("d/a", data=b"a"), told("e", DIR, xattrs=(("user.a", b"1"),))]
    bring(tmp_path, *entries)
    before = [(tmp_path / name).stat().st_ctime_ns for name in "de"]
    bring(tmp_path, *entries)
    assert [(tmp_path / name).stat().st_ctime_ns for name in "de"] == before
    bring(tmp_path, told("d", stat.S_IFDIR | 0o700), entries[1], told("e", DIR, time=TIME + 1))
    assert stat.S_IMODE((tmp_path / "d").stat().st_mode) == 0o700
    assert (tmp_path / "e").stat().st_mtime_ns == TIME + 1 and os.listxattr(tmp_path / "e") == []


def test_names_of_attributes_that_are_none(tmp_path: Path) -> None:
    names = ("user.", "user.\0", "user.\ud800", f"user.{'n' * 300}", "user.a")
    bring(tmp_path, told("d", DIR, xattrs=tuple((name, b"1") for name in names)))
    assert os.listxattr(tmp_path / "d") == ["user.a"]


def test_paths_longer_than_the_folders_own_leave_room_for(tmp_path: Path) -> None:
    """Paths count from the folder, wherever it lies; one that no system call takes is refused."""
    names = ["n" * 200] * 20
    folders = ["/".join(names[:count]) for count in range(1, 21)]
    bring(tmp_path, *(told(each, DIR) for each in folders), told(f"{folders[-1]}/old"))
    bring(tmp_path, *(told(each, DIR) for each in folders), told(f"{folders[-1]}/new"))
    with pytest.raises(InvalidArgument, match="file name too long"):
        bring(tmp_path, *(told(each, DIR) for each in folders), told(f"{folders[-1]}/{'f' * 100}"))
    remove_tree(tmp_path / names[0])
