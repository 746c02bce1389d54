"""``GET /v1/search``: finding repositories by a word. Docker Hub answers it, and registries that chose to."""

import json
from dataclasses import dataclass
from typing import Any, Final

from yarl import URL

from pier.errors import DataCorrupted, InvalidArgument, Unavailable
from pier.oci.reference import Reference
from pier.remote.client import Registries
from pier.remote.repository import Repository, Request
from pier.remote.resolver import HUB, Endpoint
from pier.remote.settings import Credentials

DEFAULT_LIMIT: Final = 25
MOST: Final = 100
_INDEX: Final = "index.docker.io"
_BODY: Final = 8 * 1024 * 1024
_ANY_STATUS: Final = tuple(range(200, 600))


@dataclass(frozen=True, slots=True)
class Found:
    """A repository as the registry describes it."""

    name: str
    description: str = ""
    official: bool = False
    stars: int = 0


async def search(registries: Registries, term: str, limit: int, credentials: Credentials | None) -> list[Found]:
    """The repositories that a registry finds: ``host:port/word`` asks that one, ``word`` Docker Hub.

    Raises InvalidArgument, Unavailable and DataCorrupted in Docker's words.
    """
    if not 1 <= limit <= MOST:
        raise InvalidArgument(f"limit {limit} is outside the range of [1, {MOST}]")
    domain, word = split_term(term)
    registry = await _registry(registries, domain, credentials)
    url = registry.endpoint.base.with_path("/v1/search").with_query(q=word, n=limit)
    answer, body = await registry.read(Request("GET", url=url, ok=_ANY_STATUS, retry=False), _BODY)
    if answer.status != 200:
        raise Unavailable(f"Unexpected status code {answer.status}")
    return read_results(body)


async def _registry(registries: Registries, domain: str, credentials: Credentials | None) -> Repository:
    if domain == HUB:
        endpoint = Endpoint(URL.build(scheme="https", host=_INDEX))
        return Repository(registries.transport, endpoint, Reference(domain, ""), [], credentials)
    try:
        return await registries.connect(domain, credentials)
    except Unavailable as error:
        raise Unavailable(f"invalid registry endpoint {domain}: {error}") from error


def split_term(term: str) -> tuple[str, str]:
    """The registry's host (Docker Hub where there is none), and the word. Raises InvalidArgument."""
    if "://" in term:
        raise InvalidArgument(f"invalid repository name: repository name ({term}) should not have a scheme")
    head, slash, rest = term.partition("/")
    if not slash or not (any(mark in head for mark in ".:[") or head == "localhost"):
        return HUB, term.removeprefix("library/")
    return (HUB, rest.removeprefix("library/")) if head in (HUB, _INDEX) else (head, rest)


def read_results(body: bytes) -> list[Found]:
    """Decode an answer; what is no repository is left out. Raises DataCorrupted."""
    try:
        results = json.loads(body)["results"]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise DataCorrupted(f"error decoding registry search results: {error}") from error
    if not isinstance(results, list | None):
        raise DataCorrupted("error decoding registry search results: results is not a list")
    return [_read(each) for each in results or () if isinstance(each, dict) and isinstance(each.get("name"), str)]


def _read(each: dict[str, Any]) -> Found:
    stars = each.get("star_count")
    return Found(
        each["name"],
        str(each.get("description") or ""),
        each.get("is_official") is True,
        stars if isinstance(stars, int) else 0,
    )
