import pytest

from pier.errors import InvalidArgument
from pier.events.filters import NO_FILTERS, parse_filters


def test_both_wire_forms_mean_the_same() -> None:
    assert parse_filters('{"label":["a=b"]}') == parse_filters('{"label":{"a=b":true,"c":false}}')
    assert parse_filters(None) is parse_filters("") is NO_FILTERS


@pytest.mark.parametrize("text", ["x", "[]", '{"label":"x"}', '{"label":[1]}', '{"a":{"b":', "[" * 100_000])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(InvalidArgument, match=r"^invalid filter$"):
        parse_filters(text)


def test_unknown_keys_are_named() -> None:
    with pytest.raises(InvalidArgument, match=r"^invalid filter 'foo'$"):
        parse_filters('{"foo":["x"]}').require_known(["label"])
    parse_filters('{"label":["x"]}').require_known(["label", "until"])


LABELS = {"a": "b", "empty": ""}


@pytest.mark.parametrize(
    ("wanted", "matches"),
    [
        (["a"], True),
        (["a=b"], True),
        (["a=c"], False),
        (["empty="], True),
        (["a", "z"], False),
        (["a=b", "empty"], True),
    ],
)
def test_labels_must_all_match(wanted: list[str], matches: bool) -> None:
    quoted = ",".join(f'"{each}"' for each in wanted)
    filters = parse_filters(f'{{"label":[{quoted}],"label!":[{quoted}]}}')
    assert filters.match_label(LABELS) is matches
    assert filters.excluded_by_label(LABELS) is matches


def test_prefix_exact_and_pattern() -> None:
    filters = parse_filters('{"id":["abc","f"],"name":["^web-\\\\d$"]}')
    assert filters.prefix("id", "abcdef") and filters.prefix("id", "f00") and not filters.prefix("id", "xabc")
    assert filters.exact("id", "abc") and not filters.exact("id", "abcd") and filters.exact("other", "anything")
    assert filters.pattern("name", "web-1") and not filters.pattern("name", "web-12")


def test_a_pattern_that_is_none_matches_only_itself_or_is_refused() -> None:
    filters = parse_filters('{"name":["["]}')
    assert filters.pattern("name", "[")
    with pytest.raises(InvalidArgument):
        filters.pattern("name", "x")


def test_switches() -> None:
    assert parse_filters('{"dangling":["true"]}').boolean("dangling", False)
    assert not parse_filters('{"dangling":["0"]}').boolean("dangling", True)
    assert NO_FILTERS.boolean("dangling", True)
    with pytest.raises(InvalidArgument, match=r"^invalid filter 'dangling=\[nope\]'$"):
        parse_filters('{"dangling":["nope"]}').boolean("dangling", True)
