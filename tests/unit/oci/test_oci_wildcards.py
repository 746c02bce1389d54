"""Patterns by those who mean harm: they match as all do, and take no time."""

import time

import pytest

from pier.build.context.patterns import matcher
from pier.build.dockerfile.shell import expand
from pier.errors import InvalidArgument
from pier.oci.ignore import Matcher
from pier.oci.wildcards import joined, split

LONG = ["/".join(["aaaa"] * 800), "a" * 255, "/".join(["a" * 255] * 15)]


@pytest.mark.parametrize("pattern", ["**/*a*/**/*a*/**/*a*/**/*a*/**/*b", "**/a/**/a/**/a/**/b", "*a" * 12 + "b"])
def test_wildcards_that_would_be_tried_forever(pattern: str) -> None:
    began = time.process_time()
    assert not any(Matcher([pattern]).excludes(path) for path in LONG)
    assert time.process_time() - began < 2


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        ("**/a/**/b*c/**/d", "x/a/y/bxc/z/d", True),
        ("**/a/**/b*c/**/d", "a/bc/d", True),
        ("**/a/**/b*c/**/d", "a/bx/c/d", False),
        ("**/a*/**/a*/**/b", "a1/a2/x/a3/b", True),
        ("**/a*/**/a*/**/b", "a1/b", False),
        ("*a*a*b", "xaxaxb", True),
        ("*a*a*b", "xaxb", False),
        ("*a*a*", "aaa", True),
        ("**/*.[ch]*/**/x*y*z", "s/a.c/xyz", True),
        ("**/a/**", "x/a/b/c", True),
    ],
)
def test_many_wildcards(pattern: str, path: str, matches: bool) -> None:
    assert Matcher([pattern]).excludes(path) is matches


def test_wildcards_without_an_order_are_refused() -> None:
    with pytest.raises(InvalidArgument, match="too many wildcards"):
        Matcher(["**a**a**a**a**a**b"])


def test_sources_and_substitutions_take_no_time() -> None:
    began = time.process_time()
    assert not matcher("*a" * 20 + "b")("a" * 255)
    for operator in ("#", "##", "%", "%%"):
        assert expand(f"${{V{operator}{'*a' * 20}b}}", {"V": "a" * 5000}).text == "a" * 5000
    assert time.process_time() - began < 2


def test_joined() -> None:
    assert split(["a", "*", "b", "*"], "*") == ["a", "b", ""]
    assert joined(["a"], ".*") == "a"
    assert joined(["a", "b", "c"], ".*") == "a(?>.*?b).*c"
    assert joined(["a", "b"], ".*", shortest=True) == "a.*?b"
