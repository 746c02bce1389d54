"""Paths to handlers: one table, matched without the framework's router.

A pattern is a path with names in braces, ``/images/{name}/json``. ``{name}`` under ``/images``,
``/distribution`` and ``/plugins`` may hold slashes, since references do; elsewhere a name ends at the
next slash, as in Docker.
"""

import re
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote

from pier.errors import InvalidArgument, NotFound
from pier.version import API_VERSION, MIN_API_VERSION

Version = tuple[int, int]
Handler = Callable[..., Awaitable[Any]]

_VERSIONED: Final = re.compile(r"/v([0-9]+)\.([0-9]+)(/.*)")
_SLASHES_ALLOWED: Final = ("/images/", "/distribution/", "/plugins/", "/volumes/")


@dataclass(frozen=True, slots=True)
class Route:
    method: str
    pattern: str
    handler: Handler


@dataclass(frozen=True, slots=True)
class Match:
    handler: Handler
    parameters: dict[str, str]


def parse_version(text: str) -> Version:
    major, minor = text.split(".")
    return int(major), int(minor)


NEWEST: Final = parse_version(API_VERSION)
OLDEST: Final = parse_version(MIN_API_VERSION)


def split_version(path: str) -> tuple[Version, str]:
    """Return the API version that a path asks for (the newest where it asks for none) and the rest.

    Raises InvalidArgument, in Docker's words, for a version out of range.
    """
    match = _VERSIONED.fullmatch(path)
    if match is None:
        return NEWEST, path
    version = (int(match[1]), int(match[2]))
    if version > NEWEST:
        raise InvalidArgument(
            f"client version {match[1]}.{match[2]} is too new. Maximum supported API version is {API_VERSION}"
        )
    if version < OLDEST:
        raise InvalidArgument(
            f"client version {match[1]}.{match[2]} is too old. Minimum supported API version is {MIN_API_VERSION}, "
            "please upgrade your client to a newer version"
        )
    return version, match[3]


class Router:
    """An immutable table; patterns are tried in the order given, grouped by method and first segment."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._fixed: dict[tuple[str, str], Handler] = {}
        self._patterns: dict[tuple[str, str], list[tuple[re.Pattern[str], Handler]]] = {}
        for route in routes:
            if "{" not in route.pattern:
                self._fixed[route.method, route.pattern] = route.handler
                continue
            group = self._patterns.setdefault((route.method, _first_segment(route.pattern)), [])
            group.append((_compile(route.pattern), route.handler))

    def match(self, method: str, path: str) -> Match:
        """Find the handler of a path that has no version any more. Raises NotFound ``page not found``."""
        fixed = self._fixed.get((method, path))
        if fixed is not None:
            return Match(fixed, {})
        for pattern, handler in self._patterns.get((method, _first_segment(path)), ()):
            found = pattern.fullmatch(path)
            if found is not None:
                return Match(handler, {key: unquote(value) for key, value in found.groupdict().items()})
        raise NotFound("page not found")


def _first_segment(path: str) -> str:
    return path.split("/", 2)[1] if path.startswith("/") else ""


def _compile(pattern: str) -> re.Pattern[str]:
    name = ".+" if pattern.startswith(_SLASHES_ALLOWED) else "[^/]+"
    parts = re.split(r"\{(\w+)\}", pattern)
    return re.compile("".join(f"(?P<{part}>{name})" if i % 2 else re.escape(part) for i, part in enumerate(parts)))
