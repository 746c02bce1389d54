"""Getting one URL over HTTP, piece by piece: redirects, proxies, time limits, and errors in BuildKit's words."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

import aiohttp
from yarl import URL

from pier.errors import InvalidArgument, PierError, Unavailable
from pier.remote import tls
from pier.remote.failures import connection_failure, is_temporary
from pier.remote.proxies import proxy_for
from pier.remote.resolver import Endpoint
from pier.remote.settings import Settings

_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_MOST_REDIRECTS: Final = 10
_HIDDEN: Final = "xxxxx"
_BUFFER: Final = 256 * 1024


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds: until a connection stands, and for which nothing may come over it."""

    connect: float = 30
    silence: float = 60


class Answer:
    """A good answer's head, and its body."""

    def __init__(self, response: aiohttp.ClientResponse, asked: URL, patience: Patience) -> None:
        self._response = response
        self._asked = asked
        self._patience = patience
        self.status = response.status
        self.length = response.content_length

    def header(self, name: str) -> str:
        """Empty where it has none."""
        return self._response.headers.get(name, "")

    async def pieces(self) -> AsyncIterator[bytes]:
        """Raises DeadlineExceeded, Unavailable (also for a body that ends too early)."""
        try:
            async for piece in self._response.content.iter_any():
                yield piece
        except (aiohttp.ClientError, OSError) as error:
            raise _failure(self._asked, error, self._patience) from error


@asynccontextmanager
async def answer_to(
    url: str, headers: Mapping[str, str], settings: Settings, patience: Patience
) -> AsyncIterator[Answer]:
    """GET ``url``; the body has not been read. ``304`` is an answer too, if ``headers`` ask for it.

    Raises InvalidArgument (``invalid response status 404``), Unavailable, DeadlineExceeded, DataCorrupted.
    """
    asked = _parsed(url)
    async with aiohttp.ClientSession(
        auto_decompress=False, cookie_jar=aiohttp.DummyCookieJar(), read_bufsize=_BUFFER
    ) as session:
        response = await _follow(session, asked, headers, settings, patience)
        try:
            if response.status != HTTPStatus.NOT_MODIFIED and not 200 <= response.status < 300:
                kind = Unavailable if is_temporary(response.status) else InvalidArgument
                raise kind(f"invalid response status {response.status}")
            yield Answer(response, asked, patience)
        finally:
            response.close()


def shown(url: str) -> str:
    """``url`` without its password."""
    parsed = URL(url)
    return str(parsed.with_password(_HIDDEN)) if parsed.password else url


def _parsed(url: str) -> URL:
    try:
        parsed = URL(url, encoded=url.isascii() and url.isprintable() and " " not in url).with_fragment(None)
    except ValueError as error:
        raise InvalidArgument(f"invalid URL {url!r}: {error}") from error
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise InvalidArgument(f"invalid URL {shown(url)!r}: it must be http:// or https:// with a host")
    return parsed


async def _follow(
    session: aiohttp.ClientSession, url: URL, headers: Mapping[str, str], settings: Settings, patience: Patience
) -> aiohttp.ClientResponse:
    for _ in range(_MOST_REDIRECTS + 1):
        try:
            async with asyncio.timeout(patience.connect + patience.silence):
                response = await _ask(session, url, headers, settings, patience)
        except (aiohttp.ClientError, OSError) as error:
            raise _failure(url, error, patience) from error
        location = response.headers.get("Location", "")
        if response.status not in _REDIRECTS or not location:
            return response
        response.close()
        url = _parsed(_target(url, location))
    raise InvalidArgument(f'Get "{_plain(url)}": stopped after {_MOST_REDIRECTS} redirects')


def _target(url: URL, location: str) -> str:
    """Where a redirect leads: never from the web to anything else."""
    target = url.join(URL(location, encoded=location.isascii() and " " not in location))
    if target.scheme not in ("http", "https"):
        raise InvalidArgument(f'Get "{_plain(target)}": unsupported protocol scheme "{target.scheme}"')
    return str(target)


async def _ask(
    session: aiohttp.ClientSession, url: URL, headers: Mapping[str, str], settings: Settings, patience: Patience
) -> aiohttp.ClientResponse:
    secure = url.scheme == "https"
    context = await asyncio.to_thread(tls.context, Endpoint(url.origin()), settings.certificates) if secure else True
    return await session.get(
        url,
        headers={"User-Agent": settings.user_agent, "Accept-Encoding": "identity", **headers},
        allow_redirects=False,
        proxy=proxy_for(url, settings.environment),
        ssl=context,
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=patience.connect, sock_read=patience.silence),
    )


def _failure(url: URL, error: Exception, patience: Patience) -> PierError:
    waited = patience.connect if isinstance(error, aiohttp.ConnectionTimeoutError) else patience.silence
    return connection_failure("GET", url, error, waited=waited, shown=_plain(url).with_query(None))


def _plain(url: URL) -> URL:
    return url.with_password(_HIDDEN) if url.password else url
