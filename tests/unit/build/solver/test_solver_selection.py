"""Which entries of the cache a filter means."""

import pytest

from pier.build.cache import CacheRecord
from pier.build.caching.selection import chosen, parse_selection
from pier.build.caching.usage import Entry, id_of
from pier.errors import InvalidArgument

STEP = Entry(
    "abcdef", CacheRecord(key="k", description="[2/3] RUN make"), 5, parents=("p1", "p2"), in_use=True, shared=True
)
MOUNT = Entry("123456", CacheRecord(key="m", kind="exec.cachemount", description="npm"), 5)


@pytest.mark.parametrize(
    ("filters", "step", "mount"),
    [
        ([], True, True),
        (["id==abcdef"], True, False),
        (["id==abc"], False, False),
        (["id~=bcd"], True, False),
        (["id~=^1"], False, True),
        (["type==regular"], True, False),
        (["type!=regular"], False, True),
        (['description=="npm"'], False, True),
        (["parent~=p2"], True, False),
        (["parent"], True, False),
        (["inuse"], True, False),
        (["shared"], True, False),
        (["private"], False, True),
        (["mutable"], False, True),
        (["immutable"], True, False),
        (["shared,type==exec.cachemount"], False, False),
        (["shared", "type==exec.cachemount"], True, True),
        (["inuse==bogus"], False, False),
        (["inuse!"], False, True),
    ],
)
def test_filters(filters: list[str], step: bool, mount: bool) -> None:
    selection = parse_selection(filters)
    assert (chosen(STEP, selection), chosen(MOUNT, selection)) == (step, mount)


@pytest.mark.parametrize("text", ["foo==1", "id>1", "==x", "id=x"])
def test_what_is_no_filter(text: str) -> None:
    with pytest.raises(InvalidArgument):
        parse_selection([text])


def test_an_expression_that_is_none() -> None:
    with pytest.raises(InvalidArgument, match=r"\("):
        chosen(STEP, parse_selection(["id~=("]))


def test_ids_look_like_buildkits() -> None:
    names = {id_of(f"sha256:{number}") for number in range(100)}
    assert len(names) == 100
    assert all(len(name) == 25 and name.isalnum() and name == name.lower() for name in names)
    assert id_of("a") == id_of("a")
