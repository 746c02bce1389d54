"""Whose ids a user namespace gets."""

import pytest

from pier.containers.container import IdRange
from pier.containers.idranges import END, FIRST, SIZE, choose, pool
from pier.errors import NoSpace


@pytest.mark.parametrize(
    ("subuid", "subgid", "name", "found"),
    [
        ("pier:100000:131072\n", "pier:200000:65536\n", "pier", [(100000, 200000)]),
        ("root:1:65536\npier:100000:131072\n", "pier:7:131072\nroot:1:65536", "pier", [(100000, 7), (165536, 65543)]),
        ("pier:100000:65535\ndockremap:300000:65536", "dockremap:300000:65536", "dockremap", [(300000, 300000)]),
        ("pier:1:65536\npier:200000:65536", "pier:1:65536\npier:200000:65536", "pier", [(1, 1), (200000, 200000)]),
        ("root:4294901761:65536", "root:4294901761:65536", "", None),
    ],
)
def test_the_system_s_own_ranges(subuid: str, subgid: str, name: str, found: list[tuple[int, int]] | None) -> None:
    owner, ranges = pool(subuid, subgid)
    assert owner == name
    assert found is None or [(each.uid, each.gid) for each in ranges] == found


@pytest.mark.parametrize("text", ["", "pier", "pier:x:65536", "pier:0:65536", "pier:-1:65536", "user:100000:65536"])
def test_the_default_ranges(text: str) -> None:
    owner, ranges = pool(text, text)
    assert (owner, len(ranges)) == ("", 4094)
    assert (ranges[0].uid, ranges[-1].gid + SIZE) == (FIRST, END)


def test_a_choice_overlaps_with_none() -> None:
    ranges = [IdRange(SIZE * number, SIZE * number) for number in range(1, 4)]
    assert choose("", ranges, set(), 4) == ranges[1]
    assert choose("", ranges, {ranges[1]}, 4) == ranges[2]
    assert choose("", ranges, {IdRange(SIZE * 2 + 1, 0)}, 1) == ranges[0]
    with pytest.raises(NoSpace, match=r"the ranges of pier in /etc/subuid and /etc/subgid are in use by 3 containers"):
        choose("pier", ranges, set(ranges), 0)
