"""Searching a registry that answers ``/v1/search``, and what others say."""

import json
from collections.abc import AsyncIterator

import pytest

from pier.errors import DataCorrupted, InvalidArgument, PierError, Unavailable
from pier.remote.client import Registries
from pier.remote.resolver import HUB
from pier.remote.search import Found, read_results, search, split_term
from pier.remote.settings import Credentials
from pier.testing.faulty_registry import FaultyRegistry, faulty_registry, say
from pier.testing.registry import PASSWORD, USER

RESULTS = {"results": [{"name": "team/app", "description": "An app", "is_official": True, "star_count": 7}, {"x": 1}]}


@pytest.fixture
async def registries() -> AsyncIterator[Registries]:
    made = Registries()
    yield made
    await made.close()


@pytest.fixture
async def registry() -> AsyncIterator[FaultyRegistry]:
    async with faulty_registry() as running:
        running.misbehave("GET /v1/search", say(200, json.dumps(RESULTS)))
        yield running


async def test_search(registries: Registries, registry: FaultyRegistry) -> None:
    assert await search(registries, f"{registry.host}/app", 25, None) == [Found("team/app", "An app", True, 7)]


async def test_credentials_are_shown_where_they_are_asked_for(registries: Registries, registry: FaultyRegistry) -> None:
    registry.misbehave("GET /v2/$", say(401, headers={"WWW-Authenticate": 'Basic realm="x"'}))
    await search(registries, f"{registry.host}/app", 25, Credentials(USER, PASSWORD))
    assert registry.headers[-1]["Authorization"].startswith("Basic ")


@pytest.mark.parametrize(
    ("body", "status", "kind", "message"),
    [
        ("<html>", 200, DataCorrupted, "error decoding registry search results"),
        ("[]", 200, DataCorrupted, "error decoding registry search results"),
        ('{"results": {}}', 200, DataCorrupted, "error decoding registry search results"),
        ("", 404, Unavailable, "Unexpected status code 404"),
        ("", 500, Unavailable, "Unexpected status code 500"),
    ],
)
async def test_other_answers(
    registries: Registries, body: str, status: int, kind: type[PierError], message: str
) -> None:
    async with faulty_registry() as registry:
        registry.misbehave("GET /v1/search", say(status, body))
        with pytest.raises(kind, match=message):
            await search(registries, f"{registry.host}/app", 25, None)


async def test_nobody_listens(registries: Registries) -> None:
    with pytest.raises(Unavailable, match=r"invalid registry endpoint 127\.0\.0\.1:9: .*connection refused"):
        await search(registries, "127.0.0.1:9/app", 25, None)


@pytest.mark.parametrize("limit", [-1, 0, 101])
async def test_limits(registries: Registries, limit: int) -> None:
    with pytest.raises(InvalidArgument, match=rf"limit {limit} is outside the range of \[1, 100\]"):
        await search(registries, "x/y", limit, None)


@pytest.mark.parametrize(
    ("term", "expected"),
    [
        ("nginx", (HUB, "nginx")),
        ("team/app", (HUB, "team/app")),
        ("library/nginx", (HUB, "nginx")),
        ("docker.io/library/nginx", (HUB, "nginx")),
        ("localhost/app", ("localhost", "app")),
        ("r:5000/team/app", ("r:5000", "team/app")),
        ("r.example.com/", ("r.example.com", "")),
        ("r:5000", (HUB, "r:5000")),
    ],
)
def test_terms(term: str, expected: tuple[str, str]) -> None:
    assert split_term(term) == expected


def test_a_scheme_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="should not have a scheme"):
        split_term("https://r/app")


def test_results_that_are_none() -> None:
    assert read_results(b'{"results": null}') == []
