"""WWW-Authenticate headers, as registries send them and as nobody should."""

import pytest

from pier.remote.challenge import Challenge, parse_challenges


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (
            'Bearer realm="https://auth.docker.io/token",service="registry.docker.io"',
            [Challenge("bearer", {"realm": "https://auth.docker.io/token", "service": "registry.docker.io"})],
        ),
        ("Basic realm=simple", [Challenge("basic", {"realm": "simple"})]),
        (
            'Bearer realm="https://a/t", scope="repository:a/b:pull,push" , error="insufficient_scope"',
            [
                Challenge(
                    "bearer",
                    {"realm": "https://a/t", "scope": "repository:a/b:pull,push", "error": "insufficient_scope"},
                )
            ],
        ),
        (
            'Basic realm="a\\"b", Bearer realm="c"',
            [Challenge("basic", {"realm": 'a"b'}), Challenge("bearer", {"realm": "c"})],
        ),
        ("Negotiate", [Challenge("negotiate")]),
        ('Negotiate, BASIC Realm="x"', [Challenge("negotiate"), Challenge("basic", {"realm": "x"})]),
        ("", []),
        ('"', []),
        ('Basic realm="never closed', [Challenge("basic")]),
    ],
)
def test_header(header: str, expected: list[Challenge]) -> None:
    assert parse_challenges([header]) == expected


def test_an_endless_header_is_cut() -> None:
    assert len(parse_challenges(["Basic realm=x, " * 1_000_000])) < 2_000
