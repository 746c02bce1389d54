"""One repository on a registry: proves who asks, retries what may be retried, follows redirects.

The Authorization header goes to the registry's own origin and nowhere else, whatever a redirect or an
upload's Location says.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final
from urllib.parse import urlencode

import aiohttp
from yarl import URL

from pier.errors import DataCorrupted, Forbidden, NotFound, PierError, Unauthorized, Unavailable
from pier.log import Logger
from pier.oci.reference import Reference
from pier.remote.auth import Authorizer
from pier.remote.backoff import pause, retry_after
from pier.remote.challenge import Challenge, parse_challenges
from pier.remote.failures import Refusal, is_temporary, refusal, shown_url
from pier.remote.resolver import Endpoint
from pier.remote.settings import Credentials
from pier.remote.transport import Body, Transport

_log = Logger("pier.remote")

_ERROR_BODY: Final = 64 * 1024
_TOKEN_BODY: Final = 1024 * 1024
_MOST_REDIRECTS: Final = 5
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked of a repository. ``path`` is under ``/v2/<name>/``; ``url``, where given, replaces it.

    ``ok``: the statuses that are an answer. ``retry``: asking again is harmless.
    ``also``: further repositories that are read (a mount's source). ``scopes``: what a token has to be good for, where
    that is not reading and, for a push, writing this one.
    """

    method: str
    path: str = ""
    url: URL | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Body = None
    ok: tuple[int, ...] = (200,)
    retry: bool = True
    also: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    patience: float | None = None
    shown: str = ""


class Repository:
    """One repository at one endpoint, as one user, for one task."""

    def __init__(
        self,
        transport: Transport,
        endpoint: Endpoint,
        reference: Reference,
        challenges: list[Challenge],
        credentials: Credentials | None,
        *,
        push: bool = False,
    ) -> None:
        self.transport = transport
        self.settings = transport.settings
        self.endpoint = endpoint
        self.name = "/".join(filter(None, (endpoint.prefix, reference.path)))
        self.reference = reference
        self.challenges = challenges
        self._actions = "pull,push" if push else "pull"
        own = endpoint.credentials if endpoint.mirror else credentials
        self.authorizer = Authorizer(challenges, own, self._ask_token_server)

    def url(self, path: str) -> URL:
        return self.endpoint.v2.joinpath(self.name, encoded=True).joinpath(path, encoded=True)

    async def open(self, request: Request) -> aiohttp.ClientResponse:
        """Ask, and return an answer whose status is in ``request.ok``; the caller releases it.

        Answers challenges, follows redirects of reads and, where the request allows it, tries again
        after resets, 429 and 5xx. Raises the kind of what the registry refused, or of why it is silent.
        """
        last = self.settings.attempts if request.retry else 1
        for attempt in range(1, last + 1):
            try:
                answer = await self._authorized(request)
            except Unavailable:
                if attempt == last:
                    raise
                delay = pause(self.settings, attempt)
            else:
                if answer.status in request.ok:
                    return answer
                problem = await self._refused(answer)
                asked = answer.headers.get("Retry-After", "")
                delay = pause(self.settings, attempt, asked)
                if not is_temporary(answer.status) or attempt == last or delay > self.settings.longest_delay:
                    raise problem.error(retry_after(asked))
                _log.info("registry is busy", registry=self.endpoint.host, status=answer.status, wait=round(delay, 1))
            await asyncio.sleep(delay)
        raise AssertionError("unreachable: the last attempt returns or raises")

    async def read(self, request: Request, limit: int) -> tuple[aiohttp.ClientResponse, bytes]:
        """Like :meth:`open`, with the body; more than ``limit`` bytes are DataCorrupted."""
        answer = await self.open(request)
        body = await self.transport.read(answer, limit + 1)
        if len(body) > limit:
            raise DataCorrupted(f"the registry's answer to {request.method} {request.path} is over {limit} bytes")
        return answer, body

    async def _authorized(self, request: Request) -> aiohttp.ClientResponse:
        answer = await self._followed(request)
        if answer.status != HTTPStatus.UNAUTHORIZED or callable(request.body):
            return answer
        if not self.authorizer.learn(parse_challenges(answer.headers.getall("WWW-Authenticate", []))):
            return answer
        answer.release()
        return await self._followed(request)

    async def _followed(self, request: Request) -> aiohttp.ClientResponse:
        url = request.url or self.url(request.path)
        for _ in range(_MOST_REDIRECTS):
            answer = await self.transport.send(
                request.method,
                url,
                self.endpoint,
                await self._headers(request, url),
                request.body,
                patience=request.patience,
            )
            if answer.status not in _REDIRECTS or request.method not in ("GET", "HEAD"):
                return answer
            answer.release()
            url = self.location(answer)
        raise DataCorrupted(f'{request.method.capitalize()} "{shown_url(url)}": stopped after too many redirects')

    def location(self, answer: aiohttp.ClientResponse) -> URL:
        """The ``Location`` of ``answer``, resolved; DataCorrupted where it is none."""
        text = answer.headers.get("Location", "")
        invalid = DataCorrupted(f"the registry answered with an invalid Location: {text.partition('?')[0][:200]!r}")
        try:
            url = answer.url.join(URL(text, encoded=True))
        except ValueError as error:
            raise invalid from error
        if not text or url.scheme not in ("http", "https") or not url.host:
            raise invalid
        return url

    async def _headers(self, request: Request, url: URL) -> Mapping[str, str]:
        if not self.endpoint.owns(url):
            return request.headers
        try:
            proof = await self.authorizer.header(request.scopes or self._scopes(request.also))
        except PierError as error:
            if "push" in self._actions:
                raise
            kind = Unauthorized if isinstance(error, Forbidden | NotFound) else type(error)
            method = (request.shown or request.method).capitalize()
            raise kind(f'{method} "{shown_url(url)}": {error}') from error
        return {**request.headers, **proof}

    def _scopes(self, also: tuple[str, ...]) -> tuple[str, ...]:
        if not self.name:
            return ()
        own = f"repository:{self.name}:{self._actions}"
        return (own, *(f"repository:{name}:pull" for name in also))

    async def _refused(self, answer: aiohttp.ClientResponse) -> Refusal:
        body = await self.transport.read(answer, _ERROR_BODY)
        challenges = parse_challenges(answer.headers.getall("WWW-Authenticate", []))
        out_of_scope = any(challenge.get("error") == "insufficient_scope" for challenge in challenges)
        if answer.status == HTTPStatus.UNAUTHORIZED and out_of_scope:
            return Refusal(answer.status, "DENIED", "requested access to the resource is denied")
        return _without_silence(refusal(answer.status, body))

    async def _ask_token_server(
        self, method: str, url: URL, headers: Mapping[str, str], form: Mapping[str, str] | None
    ) -> bytes:
        if url.scheme == "http" and self.endpoint.base.scheme == "https" and (form or headers):
            raise Forbidden(f"refusing to send credentials in clear text to the token server {url.origin()}")
        body = None if form is None else urlencode(form).encode()
        kind = {} if form is None else {"Content-Type": "application/x-www-form-urlencoded"}
        answer = await self.transport.send(method, url, self.endpoint, {**headers, **kind}, body)
        data = await self.transport.read(answer, _TOKEN_BODY)
        if answer.status == HTTPStatus.OK:
            return data
        told = refusal(answer.status, data)
        raise _without_silence(told).error()


def _without_silence(told: Refusal) -> Refusal:
    """A 401 always says why."""
    if told.status == HTTPStatus.UNAUTHORIZED and not told.code:
        return Refusal(told.status, "UNAUTHORIZED", "authentication required")
    return told
