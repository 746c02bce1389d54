"""``data/dockerignore.json`` is what Docker 26 left of a tree with each ``.dockerignore``."""

import json
from pathlib import Path

import pytest

from pier.build.dockerignore import Matcher, parse_ignore
from pier.errors import InvalidArgument

_DATA = json.loads((Path(__file__).parent / "data" / "dockerignore.json").read_text())
TREE: list[str] = _DATA["tree"]
CASES: list[dict[str, object]] = _DATA["cases"]


@pytest.mark.parametrize("case", [case for case in CASES if "gone" in case], ids=lambda case: repr(case["ignore"]))
def test_what_is_left_out(case: dict[str, object]) -> None:
    matcher = Matcher(parse_ignore(str(case["ignore"]).encode()))
    assert [path for path in TREE if matcher.excludes(path)] == case["gone"]


@pytest.mark.parametrize("case", [case for case in CASES if "gone" in case], ids=lambda case: repr(case["ignore"]))
def test_no_folder_is_passed_over_that_has_something(case: dict[str, object]) -> None:
    matcher = Matcher(parse_ignore(str(case["ignore"]).encode()))
    for path in TREE:
        folder = path
        while folder := folder.rpartition("/")[0]:
            if not matcher.excludes(path) and matcher.excludes(folder, is_dir=True):
                assert matcher.may_contain_included(folder)


@pytest.mark.parametrize("case", [case for case in CASES if "error" in case], ids=lambda case: repr(case["ignore"]))
def test_patterns_that_are_none(case: dict[str, object]) -> None:
    with pytest.raises(InvalidArgument) as caught:
        Matcher(parse_ignore(str(case["ignore"]).encode()))
    assert str(caught.value) == case["error"]


PARSED = [
    (b"", ()),
    (b"\xef\xbb\xbfa\r\nb/\r\n", ("a", "b")),
    (b"# c\n # c\n\n  \n#d", ("# c",)),
    (b"/a\n/\n./b\n../c\n//d//e", ("a", "/", "b", "../c", "d/e")),
    (b"!a/\n! /b\n!!c\n!", ("!a", "!b", "!!c", "!")),
    (b"\xff\n", ("\udcff",)),
]


@pytest.mark.parametrize(("data", "patterns"), PARSED)
def test_lines(data: bytes, patterns: tuple[str, ...]) -> None:
    assert parse_ignore(data) == patterns


SETS = [
    ("[+-\\-]", "a+,-.", "+,-"),
    ("[a&&b~~[|]", "a&b~[|-", "a&b~[|"),
    ("[^a-c]", "abcd", "d"),
    ("[\\]a\\-]", "a]-\\", "a]-"),
]


@pytest.mark.parametrize(("pattern", "among", "matched"), SETS)
def test_sets_are_go_s(pattern: str, among: str, matched: str) -> None:
    matcher = Matcher((pattern,))
    assert "".join(name for name in among if matcher.excludes(name)) == matched


BELOW = [
    (("a",), "a", False),
    (("a", "!a/b"), "a", True),
    (("a", "!a/b"), "c", False),
    (("a", "!a/b"), "a/b", False),
    (("a", "!a/*/c"), "a/b", True),
    (("a", "!a/*/c"), "a/b/d", False),
    (("*", "!**/x"), "a/b", True),
    (("*", "!a"), "a", False),
    (("*", "!a\\/b"), "a", True),
]


@pytest.mark.parametrize(("patterns", "folder", "may"), BELOW)
def test_which_folders_must_be_looked_into(patterns: tuple[str, ...], folder: str, may: bool) -> None:
    assert Matcher(patterns).may_contain_included(folder) is may


def test_paths_of_many_folders() -> None:
    """More of them than calls can be nested; and what is longer than any file's path is not looked at."""
    matcher = Matcher(("x", "**/y"))
    assert matcher.excludes("d/" * 2_000 + "y") and not matcher.excludes("d/" * 2_000 + "z")
    assert matcher.excludes("x/" + "d/" * 2_000) and not matcher.excludes("x/" + "d/" * 1_000_000)
