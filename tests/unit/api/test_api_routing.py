"""Paths to handlers, and the versions that a path may ask for."""

import pytest

from pier.api.routing import NEWEST, Route, Router, split_version
from pier.errors import InvalidArgument, NotFound


async def handler(call: object) -> None:
    raise AssertionError("routing calls nothing")


ROUTER = Router(
    Route(method, pattern, handler)
    for method, pattern in [
        ("GET", "/images/json"),
        ("GET", "/images/{name}/json"),
        ("DELETE", "/images/{name}"),
        ("GET", "/containers/{name}/json"),
    ]
)


@pytest.mark.parametrize(
    ("path", "version", "rest"),
    [
        ("/v1.24/info", (1, 24), "/info"),
        ("/v1.51/images/json", (1, 51), "/images/json"),
        ("/info", NEWEST, "/info"),
        ("/volumes/v1.40", NEWEST, "/volumes/v1.40"),
        ("/v1.x/info", NEWEST, "/v1.x/info"),
    ],
)
def test_a_path_may_begin_with_a_version(path: str, version: tuple[int, int], rest: str) -> None:
    assert split_version(path) == (version, rest)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/v1.99/info", "client version 1.99 is too new. Maximum supported API version is 1.51"),
        ("/v2.0/info", "client version 2.0 is too new. Maximum supported API version is 1.51"),
        (
            "/v1.12/info",
            "client version 1.12 is too old. Minimum supported API version is 1.24, "
            "please upgrade your client to a newer version",
        ),
    ],
)
def test_versions_out_of_range_are_refused_in_dockers_words(path: str, message: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        split_version(path)
    assert caught.value.message == message


@pytest.mark.parametrize(
    ("method", "path", "parameters"),
    [
        ("GET", "/images/json", {}),
        ("GET", "/images/busybox/json", {"name": "busybox"}),
        ("GET", "/images/localhost:5000/a/b:1/json", {"name": "localhost:5000/a/b:1"}),
        ("GET", "/images/a%2Fb/json", {"name": "a/b"}),
        ("DELETE", "/images/a/b", {"name": "a/b"}),
        ("GET", "/containers/web/json", {"name": "web"}),
    ],
)
def test_names_of_images_may_hold_slashes(method: str, path: str, parameters: dict[str, str]) -> None:
    assert ROUTER.match(method, path).parameters == parameters


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/"), ("GET", ""), ("GET", "/nope"), ("POST", "/images/json"), ("GET", "/containers/a/b/json")],
)
def test_what_is_not_in_the_table_is_not_found(method: str, path: str) -> None:
    with pytest.raises(NotFound, match=r"^page not found$"):
        ROUTER.match(method, path)
