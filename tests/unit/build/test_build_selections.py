"""What is remembered of a folder is remembered for just what was read of it."""

import os
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from pier.build.context.contents import selection_of
from pier.build.context.files import Files, Selector
from pier.build.context.listing import NOT_TRUSTED, Listing
from pier.build.context.statcache import DIGEST, Known, StatCache
from pier.build.session import Folder

STATUS = os.stat_result((0o100644, 2, 3, 1, 5, 6, 7, 8, 9, 10))
OTHERS: dict[str, Any] = {"patterns": ("b",), "exclude": ("c",), "parents": True, "follow": True}


def known_of(*names: str) -> Known:
    listing = Listing()
    for name in names:
        listing.add(name, status(9))
    return Known(bytes(listing.names), bytes(listing.facts), b"d" * DIGEST * len(names), "sha256:1")


@pytest.mark.parametrize("field", [each.name for each in fields(Selector)])
def test_all_of_a_selector_counts(field: str) -> None:
    source = Files(Folder(Path("/x"), "x"))
    selector = Selector(("a",))
    other = replace(selector, **{field: OTHERS[field]})
    assert selection_of(source, selector) != selection_of(source, other)


def test_what_is_ignored_counts_and_may_be_any_bytes() -> None:
    folder = Folder(Path("/x"), "x")
    plain, odd = (selection_of(Files(folder, each), Selector(("a",))) for each in ((), ("\udcff",)))
    assert plain != odd
    assert odd.encode()


@pytest.mark.parametrize("name", ["0/plain", "0/not\udcffutf-8", "0/new\nline", "0/", "0/\u00fc"])
def test_names_of_all_kinds_are_known_again(tmp_path: Path, name: str) -> None:
    known = known_of(name, "0/folder")
    StatCache().put(tmp_path, "folder", "all", known)
    assert StatCache().get(tmp_path, "folder", "all") == known


def test_nothing_is_known_again_too(tmp_path: Path) -> None:
    StatCache().put(tmp_path, "folder", "all", Known(combined="sha256:2"))
    assert StatCache().get(tmp_path, "folder", "all") == Known(combined="sha256:2")


def test_a_damaged_file_is_nothing(tmp_path: Path) -> None:
    StatCache().put(tmp_path, "folder", "all", known_of("0/a"))
    (file,) = (tmp_path / "digests").iterdir()
    for damaged in (b"", b"\x94\xa1a\x90\x90\xa0", file.read_bytes()[:-1], b"\x94\xc4\x02a\0\xc4\0\xc4\0\xa0"):
        file.write_bytes(damaged)
        assert StatCache().get(tmp_path, "folder", "all") == Known()


def test_the_largest_folders_are_not_kept_in_memory(tmp_path: Path) -> None:
    cache = StatCache()
    many = known_of(*(f"0/{number}" for number in range(200_001)))
    cache.put(tmp_path, "folder", "all", many)
    assert cache.get(tmp_path, "folder", "all") is not many
    assert cache.get(tmp_path, "folder", "all") == many


@pytest.mark.parametrize("time", [0, -1, -(10**18), 10**18])
def test_times_before_1970(time: int) -> None:
    listing = Listing()
    listing.add("0/a", status(time))
    assert (listing.of(0).modified, listing.of(0).changed) == (time, 3)


@pytest.mark.parametrize("time", [2**63, 2**64, 2**70, -(2**70)])
def test_times_that_have_no_room(time: int) -> None:
    listing = Listing()
    listing.add("0/a", status(time))
    assert listing.of(0).inode == 2


def test_what_was_written_just_now_is_not_trusted() -> None:
    listing = Listing()
    for number, time in enumerate((1, 2, 2, 1)):
        listing.add(f"0/{number}", status(time, time))
    old = listing.packed(0)
    listing.distrust(2)
    assert [listing.packed(number) for number in range(4)] == [old, NOT_TRUSTED, NOT_TRUSTED, old]


def status(modified: int, changed: int = 3) -> os.stat_result:
    return os.stat_result(STATUS, {"st_mtime_ns": modified, "st_ctime_ns": changed, "st_rdev": 0})
