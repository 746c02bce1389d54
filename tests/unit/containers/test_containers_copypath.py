"""Paths and modes of docker cp, as Docker 26 answered them."""

import stat

import pytest

from pier.containers.copypath import absolute, go_mode, path_stat, shown_name, within
from pier.linux.treecopy import PathFacts


@pytest.mark.parametrize(
    ("path", "place", "name"),
    [
        ("/d", "/d", "d"),
        ("/d/", "/d/", "d"),
        ("/d/.", "/d/.", "."),
        ("d/f", "/d/f", "f"),
        ("/", "/", "/"),
        ("/.", "/.", "."),
        (".", "/.", "."),
        ("/../../etc/passwd", "/etc/passwd", "passwd"),
        ("/d/sub/../f", "/d/f", "f"),
        ("//d//f//", "/d/f/", "f"),
        ("/..", "/", "/"),
    ],
)
def test_places(path: str, place: str, name: str) -> None:
    assert absolute(path) == place
    assert shown_name(place) == name


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        (stat.S_IFDIR | 0o755, 2147484141),
        (stat.S_IFREG | stat.S_ISUID | 0o755, 8389101),
        (stat.S_IFLNK | 0o777, 134218239),
        (stat.S_IFREG | 0o644, 420),
        (stat.S_IFIFO | 0o644, 33554852),
        (stat.S_IFDIR | stat.S_ISVTX | 0o777, 2148532735),
    ],
)
def test_go_modes(mode: int, expected: int) -> None:
    assert go_mode(mode) == expected


def test_stat_of_a_link() -> None:
    found = path_stat("/ld", PathFacts(stat.S_IFLNK | 0o777, 2, 1_795_233_970_946_222_928, "/d"))
    assert (found.name, found.size, found.link_target) == ("ld", 2, "/d")
    assert found.mtime == "2026-11-21T04:06:10.946222928Z"
    assert path_stat("/f", PathFacts(stat.S_IFREG, 0, 0, "")).mtime == "1970-01-01T00:00:00Z"


def test_within() -> None:
    assert within("/vol/x", "/vol")
    assert within("/vol", "/vol/")
    assert within("/x", "/")
    assert not within("/volume", "/vol")
