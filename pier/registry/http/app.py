"""What happens around each request: find its endpoint, ask the guard, do it, say how it went.

A handler returns a response or raises: refusals and other kinds of error become the specification's JSON; whatever else
it raises is a defect of ours, logged with its traceback and answered with 500.
"""

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from aiohttp import web

from pier.errors import PierError, Unavailable
from pier.log import Logger
from pier.registry.access.audit import Audit
from pier.registry.deps import Registry
from pier.registry.http import audited, blobs, listings, manifests, uploads
from pier.registry.http.call import WHO, Call
from pier.registry.http.caller import Network, caller_of, networks
from pier.registry.http.metrics import Metrics
from pier.registry.http.replies import HEADERS, broken, failed, no_such_page, wrong_method
from pier.registry.http.routes import METHODS, Endpoint, Match, behind, match
from pier.registry.principal import Anyone, Caller, Guard, Need, OpenHouse, Refused
from pier.registry.upstream.cache import Cache

Handler = Callable[[Call], Awaitable[web.StreamResponse]]
Page = Callable[[web.BaseRequest, Caller], Awaitable[web.StreamResponse]]
"""A handler beside the specification's (health, tokens, the JSON API): it asks its own questions."""

HANDLERS: Final[Mapping[tuple[Endpoint, str], Handler]] = {
    (Endpoint.BASE, "GET"): listings.base,
    (Endpoint.CATALOGUE, "GET"): listings.repositories,
    (Endpoint.TAGS, "GET"): listings.tag_list,
    (Endpoint.REFERRERS, "GET"): listings.referrer_index,
    (Endpoint.MANIFEST, "GET"): manifests.show,
    (Endpoint.MANIFEST, "PUT"): manifests.store,
    (Endpoint.MANIFEST, "DELETE"): manifests.remove,
    (Endpoint.BLOB, "GET"): blobs.show,
    (Endpoint.BLOB, "DELETE"): blobs.remove,
    (Endpoint.UPLOADS, "POST"): uploads.begin,
    (Endpoint.UPLOAD, "GET"): uploads.status,
    (Endpoint.UPLOAD, "PATCH"): uploads.append,
    (Endpoint.UPLOAD, "PUT"): uploads.finish,
    (Endpoint.UPLOAD, "DELETE"): uploads.cancel,
}
_log: Final = Logger("pier.registry")
_access: Final = Logger("pier.registry.access")
_WATCHED: Final = frozenset({"/healthz", "/readyz", "/metrics"})
"""Asked every few seconds: what goes well there is not logged."""

_LONGEST_PATH: Final = 500
_KNOWN: Final = frozenset({"GET", "HEAD", "PUT", "POST", "PATCH", "DELETE"})


@dataclass(frozen=True, slots=True)
class App:
    """``pages`` are found by their whole path, or by a prefix that ends with a slash."""

    registry: Registry
    guard: Guard = field(default_factory=OpenHouse)
    pages: dict[str, Page] = field(default_factory=dict)
    metrics: Metrics = field(default_factory=Metrics)
    trusted: Sequence[Network] = ()
    audit: Audit | None = None
    cache: Cache | None = None


def make_app(
    registry: Registry,
    guard: Guard | None = None,
    pages: dict[str, Page] | None = None,
    audit: Audit | None = None,
    cache: Cache | None = None,
) -> App:
    """Raises InvalidArgument for settings that make no sense."""
    trusted = networks(registry.settings.trusted_proxies)
    return App(registry, guard or OpenHouse(), pages or {}, trusted=trusted, audit=audit, cache=cache)


async def handle(app: App, request: web.BaseRequest) -> web.StreamResponse:
    """Answer one request, count it and log it; raises nothing but that it was cancelled."""
    began = time.monotonic()
    call = Call(request, app.registry, _match(app, request), app.cache)
    app.metrics.under_way += 1
    response: web.StreamResponse | None = None
    try:
        response = await _answer(app, call)
        if not response.prepared:
            response.headers.update(HEADERS)
        return response
    finally:
        app.metrics.under_way -= 1
        _note(app, call, response, time.monotonic() - began)


def _match(app: App, request: web.BaseRequest) -> Match:
    path = request.rel_url.raw_path
    found = match(path)
    if found is None and request.method in ("GET", "HEAD") and _page(app.pages, request.path) is None:
        found = behind(path)
    return found or Match(Endpoint.PAGE)


async def _answer(app: App, call: Call) -> web.StreamResponse:
    request = call.request
    try:
        caller = caller_of(request, app.trusted)
        call.address = caller.address
        if call.match.endpoint is Endpoint.PAGE:
            page = _page(app.pages, request.path)
            return await page(request, caller) if page else no_such_page()
        return await _serve(app, call, caller)
    except (ConnectionError, web.RequestPayloadError):
        return _gone(request)
    except PierError as error:
        if isinstance(error, Refused):
            call.principal = Anyone(error.who)
        if not call.began:
            if isinstance(error, Unavailable):
                _log.warning("a request failed", path=request.rel_url.raw_path[:_LONGEST_PATH], reason=error.message)
            return failed(error)
        _log.warning("an answer was broken off", path=request.rel_url.raw_path, reason=error.message)
        return _gone(request)
    except Exception as error:
        _log.exception("a request failed", method=request.method, path=request.rel_url.raw_path)
        return _gone(request) if call.began else broken(error)


def _gone(request: web.BaseRequest) -> web.StreamResponse:
    """Nobody is there any more, or what we have begun to say cannot be ended."""
    if request.transport is not None:
        request.transport.abort()
    return Gone()


async def _serve(app: App, call: Call, caller: Caller) -> web.StreamResponse:
    endpoint, method = call.match.endpoint, call.request.method
    actions = METHODS[endpoint]
    if method not in actions:
        return wrong_method(actions)
    repository = call.repository if call.match.name else ""
    if app.cache is not None and repository and actions[method] == "pull":
        repository = await _meant(app.cache, call)
    call.principal = await app.guard.authorize(caller, (Need(actions[method], repository),))
    handler = HANDLERS[endpoint, "GET" if method == "HEAD" else method]
    return await handler(call)


async def _meant(cache: Cache, call: Call) -> str:
    """The name here of what somebody pulls as if of a mirror: that is what they need rights for.

    A blob of what was never pulled so, or that is not pulled now, is looked for here alone: somebody may be about to
    push it.
    """
    known = call.match.endpoint is Endpoint.BLOB
    if known and call.heads_only:
        return call.repository
    repository = await cache.name_of(call.repository, call.query("ns"), known=known)
    call.match = replace(call.match, name=repository)
    return repository


def _page(pages: Mapping[str, Page], path: str) -> Page | None:
    if path in pages:
        return pages[path]
    fitting = [prefix for prefix in pages if prefix.endswith("/") and path.startswith(prefix)]
    return pages[max(fitting, key=len)] if fitting else None


class Gone(web.StreamResponse):
    """No answer: nobody is there any more."""

    def __init__(self) -> None:
        super().__init__(status=499)

    @property
    def prepared(self) -> bool:
        return True

    async def prepare(self, request: web.BaseRequest) -> None:
        raise ConnectionResetError("the client has gone")


def _note(app: App, call: Call, response: web.StreamResponse | None, seconds: float) -> None:
    status = response.status if response is not None else 499
    sent = call.sent
    if not sent and isinstance(response, web.Response) and not call.heads_only:
        sent = response.content_length or 0
    method = call.request.method if call.request.method in _KNOWN else "OTHER"
    if app.audit:
        audited.note(app.audit, call, response)
    app.metrics.answered(call.match.endpoint, method, status, seconds, call.received, sent)
    if not app.registry.settings.access_log or (call.request.path in _WATCHED and status < 400):
        return
    _access.info(
        "request",
        method=method,
        path=call.request.rel_url.raw_path[:_LONGEST_PATH],
        status=status,
        seconds=f"{seconds:.3f}",
        received=call.received,
        sent=sent,
        address=call.address,
        user=call.principal.name or call.request.get(WHO, ""),
        agent=call.request.headers.get("User-Agent", "")[:200],
    )
