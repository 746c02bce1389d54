"""Which path of the JSON API is whose. A repository's name may be written with its slashes, or with ``%2F``."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final
from urllib.parse import unquote

from aiohttp import web

from pier.errors import Conflict, InvalidArgument, NotFound
from pier.registry.access.gate import Gate
from pier.registry.deps import Registry
from pier.registry.http.api import builds, catalogue, jobs, people, projects, upstreams
from pier.registry.http.api.asking import Ask
from pier.registry.http.call import WHO
from pier.registry.http.replies import document, no_such_page, wrong_method
from pier.registry.principal import Caller
from pier.registry.upstream.cache import Cache

PREFIX: Final = "/api/v1/"
SEARCH: Final = "/v1/search"
_OWN: Final = ("none", "same-origin")
"""What browsers say (W3C "Fetch Metadata") but for pages of other sites, with which they send a password that they
remember. Requests without a body need no type of content that a foreign form could not have."""

Handler = Callable[[Ask], Awaitable[web.StreamResponse]]
Methods = Mapping[str, Handler]

TABLE: Final[Mapping[str, Methods]] = {
    "users": {"GET": people.users, "POST": people.add},
    "users/*": {"GET": people.show, "PATCH": people.change, "DELETE": people.remove},
    "projects": {"GET": projects.projects},
    "projects/*": {"GET": projects.show, "PUT": projects.put, "DELETE": projects.remove},
    "projects/*/members": {"GET": projects.members},
    "projects/*/members/*": {"PUT": projects.put_member, "DELETE": projects.remove_member},
    "projects/*/robots": {"GET": people.robots, "POST": people.add_robot},
    "projects/*/robots/*": {"PATCH": people.change_robot, "DELETE": people.remove_robot},
    "repositories": {"GET": catalogue.repositories},
    "repositories/*": {"GET": catalogue.repository},
    "repositories/*/tags": {"GET": catalogue.tags},
    "repositories/*/tags/*": {"GET": catalogue.manifest},
    "repositories/*/manifests/*": {"GET": catalogue.manifest},
    "jobs": {"GET": jobs.jobs},
    "runs": {"GET": jobs.runs},
    "runs/*": {"GET": jobs.run},
    "runs/*/cancel": {"POST": builds.cancel},
    "replications": {"GET": jobs.replications},
    "replications/*/run": {"POST": jobs.replicate},
    "builds": {"GET": builds.builds},
    "builds/*/run": {"POST": builds.run},
    "upstreams": {"GET": upstreams.upstreams},
    "upstreams/*": {"GET": upstreams.kept},
    "search": {"GET": catalogue.search},
}


def find(raw_path: str) -> tuple[Methods, tuple[str, ...]] | None:
    """What answers a path behind the prefix that is still percent-encoded, and what is named in it."""
    words = [unquote(word) for word in raw_path.strip("/").split("/")]
    if not all(word.isprintable() for word in words):
        return None
    if words[0] == "repositories" and len(words) > 1:
        return _of_repository(words[1:])
    pattern = "/".join("*" if place % 2 else word for place, word in enumerate(words))
    return (TABLE[pattern], tuple(words[1::2])) if pattern in TABLE else None


def _of_repository(words: list[str]) -> tuple[Methods, tuple[str, ...]]:
    if len(words) > 2 and words[-2] in ("tags", "manifests"):
        return TABLE[f"repositories/*/{words[-2]}/*"], ("/".join(words[:-2]), words[-1])
    if len(words) > 1 and words[-1] == "tags":
        return TABLE["repositories/*/tags"], ("/".join(words[:-1]),)
    return TABLE["repositories/*"], ("/".join(words),)


class Api:
    """The page of :data:`PREFIX`, and of Docker's search."""

    def __init__(self, registry: Registry, gate: Gate, cache: Cache | None = None) -> None:
        self._registry = registry
        self._gate = gate
        self._cache = cache

    async def answer(self, request: web.BaseRequest, caller: Caller) -> web.StreamResponse:
        """Raises Refusal, and other kinds that have an answer without us."""
        path = request.rel_url.raw_path
        where = find("search" if path == SEARCH else path.removeprefix(PREFIX))
        if where is None:
            return no_such_page()
        methods, words = where
        if request.method not in methods:
            return wrong_method(methods)
        if request.method != "GET" and request.headers.get("Sec-Fetch-Site", _OWN[0]) not in _OWN:
            return _failed(403, "DENIED", "a page of another site asks for it")
        asker = await self._gate.guard.identify(caller)
        request[WHO] = asker.name
        ask = Ask(self._registry, self._gate, request, caller, asker, words, self._cache)
        try:
            return await methods[request.method](ask)
        except NotFound as error:
            return _failed(404, "NOT_FOUND", error.message)
        except Conflict as error:
            return _failed(409, "CONFLICT", error.message)
        except InvalidArgument as error:
            return _failed(400, "INVALID", error.message)


def _failed(status: int, code: str, message: str) -> web.Response:
    answer = document({"errors": [{"code": code, "message": message}]})
    answer.set_status(status)
    return answer
