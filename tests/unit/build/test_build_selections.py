"""What is remembered of a folder is remembered for just what was read of it."""

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from pier.build.context.contents import selection_of
from pier.build.context.files import Files, Selector
from pier.build.context.statcache import Known, StatCache
from pier.build.session import Folder

OTHERS: dict[str, Any] = {"patterns": ("b",), "exclude": ("c",), "parents": True, "follow": True}


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
    facts = {name: (1, 2, 3, 4, 5), "0/folder": (6, 7, 8, 9, 10)}
    StatCache().put(tmp_path, "folder", "all", Known(facts, {name: b"digest"}, "sha256:1"))
    found = StatCache().get(tmp_path, "folder", "all")
    assert (found.facts, found.digests, found.combined) == (facts, {name: b"digest"}, "sha256:1")


def test_nothing_is_known_again_too(tmp_path: Path) -> None:
    StatCache().put(tmp_path, "folder", "all", Known({}, {}, "sha256:2"))
    assert StatCache().get(tmp_path, "folder", "all") == Known({}, {}, "sha256:2")


def test_a_damaged_file_is_nothing(tmp_path: Path) -> None:
    StatCache().put(tmp_path, "folder", "all", Known({"0/a": (1, 2, 3, 4, 5)}))
    (file,) = (tmp_path / "digests").iterdir()
    for damaged in (b"", b"\x94\xa1a\x90\x90\xa0", file.read_bytes()[:-1], b"\x94\xc4\x03a\0b\x90\x90\xa0"):
        file.write_bytes(damaged)
        assert StatCache().get(tmp_path, "folder", "all") == Known()


def test_the_largest_folders_are_not_kept_in_memory(tmp_path: Path) -> None:
    cache = StatCache()
    many = Known({f"0/{number}": (1, 2, 3, 4, number) for number in range(200_001)})
    cache.put(tmp_path, "folder", "all", many)
    assert cache.get(tmp_path, "folder", "all") is not many
    assert cache.get(tmp_path, "folder", "all") == many
