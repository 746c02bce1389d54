"""The HTTP server under the application."""

import asyncio
import logging
from functools import partial
from typing import Any, Final

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from pier.registry.http.app import App, handle

_FIRST_REQUEST: Final = 30.0
_LONGEST_HEADER: Final = 32 << 10
_BUFFER: Final = 256 << 10
"""Of a connection that uploads, twice: large enough for the disk's sake, small enough for a hundred of them."""


class Connection(RequestHandler):
    """One client. Who connects and says nothing is let go."""

    __slots__ = ("_begun",)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._begun: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._begun = asyncio.get_running_loop().call_later(_FIRST_REQUEST, self.force_close)

    def connection_lost(self, exc: BaseException | None) -> None:
        self.begun()
        super().connection_lost(exc)

    def begun(self) -> None:
        """A whole request's head has come."""
        if self._begun is not None:
            self._begun.cancel()
            self._begun = None


class Server(web.Server):
    """Makes a :class:`Connection` of each client. :meth:`drain` is the end."""

    def __call__(self) -> RequestHandler:
        return Connection(self, loop=self._loop, **self._kwargs)

    async def drain(self, seconds: float) -> None:
        """Let idle clients go, and wait so long for the others' present requests."""
        self.pre_shutdown()
        await self.shutdown(seconds)


def make_server(app: App) -> Server:
    """Serve ``app``; the caller gives it sockets."""
    logger = logging.getLogger("pier.registry.clients")
    logger.setLevel(logging.CRITICAL)  # what it says is about clients that speak nonsense
    return Server(
        partial(_handle, app),
        access_log=None,
        logger=logger,
        keepalive_timeout=75,
        lingering_time=10,
        read_bufsize=_BUFFER,
        max_field_size=_LONGEST_HEADER,
        auto_decompress=False,
    )


async def _handle(app: App, request: web.BaseRequest) -> web.StreamResponse:
    if isinstance(request.protocol, Connection):
        request.protocol.begun()
    return await handle(app, request)
