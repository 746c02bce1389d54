"""The HTTP server under the application: connections that can be taken over, and that tell when they are lost.

aiohttp's handler closes a connection as soon as the client has sent all it will send. For an
upgraded connection that would cut the output of ``echo hi | docker run -i …``, so it stays open here.
"""

from collections.abc import Callable
from typing import Any, Final

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

PLAIN_HIJACK: Final = "X-Pier-Plain-Hijack"
_HIJACKED: Final = (b"/attach", b"/exec/")
_INJECTED: Final = b"\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n" + PLAIN_HIJACK.encode() + b": 1"


class Connection(RequestHandler):
    """One client connection."""

    __slots__ = ("_lost", "half_closed")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._lost: list[Callable[[], Any]] = []
        self.half_closed = False

    def on_lost(self, callback: Callable[[], Any]) -> None:
        """Call ``callback`` when the connection ends during the current request."""
        self._lost.append(callback)

    def forget_callbacks(self) -> None:
        self._lost.clear()

    def data_received(self, data: bytes) -> None:
        if data.startswith(b"POST ") and any(part in data[:400] for part in _HIJACKED):
            data = _as_upgrade(data)
        super().data_received(data)

    def eof_received(self) -> bool:  # type: ignore[override]  # aiohttp says None, asyncio asks for a bool
        self.half_closed = True
        return bool(getattr(self, "_upgraded", False) or getattr(self, "_upgrade", False))

    def connection_lost(self, exc: BaseException | None) -> None:
        super().connection_lost(exc)
        callbacks, self._lost = self._lost, []
        for callback in callbacks:
            callback()


def _as_upgrade(data: bytes) -> bytes:
    """Mark a request to attach that did not ask for an upgrade.

    Old clients take the connection over without asking. Told that this is an upgrade, the parser
    leaves whatever follows the request alone instead of reading it as the next request.
    """
    head, separator, rest = data.partition(b"\r\n\r\n")
    path = head.partition(b"\r\n")[0].split(b" ")[1].partition(b"?")[0]
    takes_over = path.endswith(b"/attach") or (b"/exec/" in path and path.endswith(b"/start"))
    if not separator or not takes_over or b"\r\nupgrade:" in head.lower():
        return data
    return head + _INJECTED + separator + rest


class Server(web.Server):
    """A server whose connections are :class:`Connection`."""

    def __call__(self) -> RequestHandler:
        return Connection(self, loop=self._loop, **self._kwargs)
