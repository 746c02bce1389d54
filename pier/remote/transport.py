"""One exchange with one server over HTTP: proxies, TLS, time limits, and errors as kinds.

Nothing here knows about registries: who may see which credentials is decided by the caller.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Mapping

import aiohttp
from yarl import URL

from pier.errors import PierError
from pier.remote import tls
from pier.remote.failures import connection_failure
from pier.remote.proxies import proxy_for
from pier.remote.resolver import Endpoint
from pier.remote.settings import Settings

Body = bytes | Callable[[], AsyncIterator[bytes]] | None
_NEVER = 7 * 24 * 3600.0
_READ_BUFFER = 64 * 1024  # what is in it when a connection breaks is lost


class Transport:
    """The connection pool. Make it inside the loop that uses it, and ``close`` it there."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def send(
        self,
        method: str,
        url: URL,
        endpoint: Endpoint,
        headers: Mapping[str, str],
        body: Body = None,
        *,
        patience: float | None = None,
    ) -> aiohttp.ClientResponse:
        """Ask once and return the answer's head, whatever its status; the caller releases it.

        ``patience``: seconds until the head has come once all is sent, and between two pieces of the
        answer's body. A redirect is returned, not followed. Raises DeadlineExceeded, Unavailable or
        DataCorrupted.
        """
        wait = patience or self.settings.stall_timeout
        sending = _Sending(body) if callable(body) else None
        try:
            async with asyncio.timeout(wait if sending is None else None) as deadline:
                context = await self._tls(url, endpoint)
                return await self._open().request(
                    method,
                    url,
                    headers={"User-Agent": self.settings.user_agent, "Accept-Encoding": "identity", **headers},
                    data=sending.chunks(deadline, self.settings.stall_timeout) if sending else body,
                    allow_redirects=False,
                    proxy=proxy_for(url, self.settings.environment),
                    ssl=context,
                    timeout=aiohttp.ClientTimeout(total=None, sock_connect=wait, sock_read=wait),
                )
        except (aiohttp.ClientError, OSError) as error:
            if sending and sending.failure:
                raise sending.failure from error
            waited = self.settings.stall_timeout if sending and not sending.done else wait
            raise connection_failure(method, url, error, waited=waited) from error

    async def read(self, response: aiohttp.ClientResponse, limit: int) -> bytes:
        """The whole body, at most ``limit`` bytes of it; the connection is given back."""
        try:
            async with response:
                pieces = bytearray()
                async for piece in response.content.iter_any():
                    pieces += piece
                    if len(pieces) > limit:
                        response.close()
                        break
                return bytes(pieces[:limit])
        except (aiohttp.ClientError, OSError) as error:
            raise self.failure(response, error) from error

    def failure(self, response: aiohttp.ClientResponse, error: Exception) -> PierError:
        """The kind for what was raised while the body of ``response`` was read."""
        return connection_failure(response.method, response.url, error, waited=self.settings.stall_timeout)

    async def _tls(self, url: URL, endpoint: Endpoint) -> ssl.SSLContext | bool:
        if url.scheme != "https":
            return True
        shown = endpoint if endpoint.owns(url) else Endpoint(url.origin())
        return await asyncio.to_thread(tls.context, shown, self.settings.certificates)

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
                connector=aiohttp.TCPConnector(limit=0, limit_per_host=0),
                read_bufsize=_READ_BUFFER,
                skip_auto_headers=["Content-Type"],
            )
        return self._session


class _Sending:
    """A body on its way out: moves the deadline with every piece, and remembers why its source failed."""

    def __init__(self, source: Callable[[], AsyncIterator[bytes]]) -> None:
        self._source = source
        self.failure: PierError | None = None
        self.done = False

    async def chunks(self, deadline: asyncio.Timeout, wait: float) -> AsyncIterator[bytes]:
        loop = asyncio.get_running_loop()
        try:
            async for chunk in self._source():
                deadline.reschedule(loop.time() + wait)
                yield chunk
                deadline.reschedule(loop.time() + _NEVER)
        except PierError as error:
            self.failure = error
            raise
        self.done = True
        deadline.reschedule(None)
