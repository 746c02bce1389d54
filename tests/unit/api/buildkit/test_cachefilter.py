"""Filters of cache records, as buildx sends them."""

import pytest

from pier.api.buildkit.cachefilter import Filter
from pier.errors import InvalidArgument

RECORD = {"id": "abc", "type": "regular", "description": "RUN true", "private": None}


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ([], True),
        ([""], True),
        (["type==regular"], True),
        (["type==source.local"], False),
        (["type!=source.local"], True),
        (["id~=^a"], True),
        (["id~=z"], False),
        (["private"], True),
        (["shared"], False),
        (["shared", "private"], True),
        (["type==regular,shared"], False),
        (['type=="regular"'], True),
        (["absent!=x"], True),
        (["absent==x"], False),
    ],
)
def test_filters(filters: list[str], expected: bool) -> None:
    assert Filter(filters).matches(RECORD) is expected


@pytest.mark.parametrize("text", ["a b", "id~=(", "=="])
def test_nonsense(text: str) -> None:
    with pytest.raises(InvalidArgument, match="failed to parse prune filters"):
        Filter([text])
