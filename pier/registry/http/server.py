"""The HTTP server under the application."""

import asyncio
import logging
import socket
from contextlib import suppress
from typing import Any, Final

from aiohttp import StreamReader, web
from aiohttp.http import RawRequestMessage
from aiohttp.web_protocol import RequestHandler

from pier.errors import InvalidArgument
from pier.registry.http.app import App, handle

_FIRST_REQUEST: Final = 30.0
_LAST_WORDS: Final = 2.0
_LONGEST_HEADER: Final = 32 << 10
_LONGEST_HEAD: Final = 128 << 10
"""Bytes of a request's line and headers together: the framework would take 128 headers, each of the longest."""

_BUFFER: Final = 64 << 10
"""Of a connection at first; :meth:`pier.registry.http.call.Call.body` raises it where there is room."""


class Connection(RequestHandler):
    """One client. Who connects and says nothing is let go; so is who stops making sense in the midst of a body, or does
    not come to the end of a head.

    ``patience``: seconds that a client may take nothing of what it has asked for.
    """

    __slots__ = ("_arriving", "_body", "_head", "_patience", "_silence", "busy")

    def __init__(self, *args: Any, patience: int, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._patience = patience
        self._silence: asyncio.TimerHandle | None = None
        self._body: StreamReader | None = None
        self._arriving: StreamReader | None = None
        self._head = 0
        self.busy = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        # The kernel's own limit: it holds for what is written behind the handler's back, too, and after a close.
        transport.get_extra_info("socket").setsockopt(
            socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, self._patience * 1000
        )
        self._silence = asyncio.get_running_loop().call_later(_FIRST_REQUEST, self.force_close)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._spoke()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """The framework queues what it cannot read as another request, which would wait for this one's body."""
        before, in_body = len(self._messages), self._arriving is not None and not self._arriving.is_eof()
        super().data_received(data)
        if len(self._messages) > before:
            self._arriving = self._messages[-1][1]
            self._head = 0
        elif not in_body:
            self._measure(len(data))
        body = self._body
        nonsense = self._messages and not isinstance(self._messages[-1][0], RawRequestMessage)
        if nonsense and body is not None and not body.is_eof():
            body.set_exception(InvalidArgument("the request's body is not encoded as its head says"))
            self.close()

    def _measure(self, size: int) -> None:
        """So many bytes more of a head that has not come to its end."""
        self._head += size
        if self._head > _LONGEST_HEAD:
            self.force_close()

    def begin(self, body: StreamReader) -> None:
        """A whole request's head has come."""
        self._spoke()
        self._body = body
        self.busy = True

    def end(self) -> None:
        self._body = None
        self.busy = False

    def _spoke(self) -> None:
        if self._silence is not None:
            self._silence.cancel()
            self._silence = None


class Server(web.Server):
    """Makes a :class:`Connection` of each client. :meth:`drain` is the end.

    The framework's own end would drop what clients are still sending: present requests could not be finished.
    """

    def __init__(self, app: App, **kwargs: Any) -> None:
        super().__init__(self._handle, **kwargs)
        self._app = app
        self._under_way = 0
        self._quiet = asyncio.Event()
        self._quiet.set()
        self._draining = False

    def __call__(self) -> RequestHandler:
        patience = self._app.registry.settings.idle_timeout
        return Connection(self, patience=patience, loop=self._loop, **self._kwargs)

    async def drain(self, seconds: float) -> None:
        """Let idle clients go, and wait so long for the others' present requests."""
        self._draining = True
        for connection in self.connections:
            if isinstance(connection, Connection) and not connection.busy:
                connection.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._quiet.wait()
        await self.shutdown(_LAST_WORDS)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        connection = request.protocol
        assert isinstance(connection, Connection)
        connection.begin(request.content)
        self._under_way += 1
        self._quiet.clear()
        try:
            return await handle(self._app, request)
        finally:
            connection.end()
            self._under_way -= 1
            if not self._under_way:
                self._quiet.set()
            if self._draining:
                connection.close()


def make_server(app: App) -> Server:
    """Serve ``app``; the caller gives it sockets."""
    logger = logging.getLogger("pier.registry.clients")
    logger.setLevel(logging.CRITICAL)  # what it says is about clients that speak nonsense
    return Server(
        app,
        access_log=None,
        logger=logger,
        keepalive_timeout=75,
        lingering_time=10,
        read_bufsize=_BUFFER,
        max_field_size=_LONGEST_HEADER,
        auto_decompress=False,
    )
