"""The HTTP server under the application: connections that can be taken over, and that tell when they are lost.

aiohttp closes a connection as soon as the client has sent all it will send, which would cut the output of
``echo hi | docker run -i …``, and it drops what comes in the same packet as a request to upgrade to ``tcp``.
The one upgrade that it knows is WebSocket's; so a request to attach is handed to it as such a one, and then it
leaves alone whatever follows the request.
"""

from collections.abc import Callable
from typing import Any, Final

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

UPGRADE: Final = "X-Pier-Upgrade"
"""Of a request that takes the connection over: the protocol that the client asked for, or ``none``."""

_LONGEST_HEAD: Final = 64 << 10
_END: Final = b"\r\n\r\n"


class Connection(RequestHandler):
    """One client connection."""

    __slots__ = ("_head", "_lost", "half_closed")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._lost: list[Callable[[], Any]] = []
        self._head: bytes | None = b""
        self.half_closed = False

    def on_lost(self, callback: Callable[[], Any]) -> None:
        """Call ``callback`` when the connection ends during the current request."""
        self._lost.append(callback)

    def answered(self) -> None:
        """The current request is done with: the next bytes begin another."""
        self._lost.clear()
        self._head = b""

    def take(self) -> bytes:
        """What has come in after a request that takes over; from now on the caller reads."""
        tail, self._message_tail = bytes(self._message_tail), b""
        return tail

    def data_received(self, data: bytes) -> None:
        if self._head is not None:
            data = self._head + data
            if data.startswith(b"POST ") and _END not in data and len(data) < _LONGEST_HEAD:
                self._head = data
                return
            self._head = None
            data = mark_takeover(data)
        super().data_received(data)

    def eof_received(self) -> bool:  # type: ignore[override]  # aiohttp says None, asyncio asks for a bool
        self.half_closed = True
        return bool(getattr(self, "_upgraded", False) or getattr(self, "_upgrade", False))

    def connection_lost(self, exc: BaseException | None) -> None:
        super().connection_lost(exc)
        callbacks, self._lost = self._lost, []
        for callback in callbacks:
            callback()


def mark_takeover(data: bytes) -> bytes:
    """Rewrite the head of a request to attach or to start an exec; other requests are returned as they are.

    Old clients take the connection over without asking for an upgrade; they are recognised by the path.
    """
    if not data.startswith(b"POST "):
        return data
    head, end, rest = data.partition(_END)
    line, *headers = head.split(b"\r\n")
    target = line.split(b" ", 2)[1].partition(b"?")[0]
    if not end or not (target.endswith(b"/attach") or (b"/exec/" in target and target.endswith(b"/start"))):
        return data
    asked = b"none"
    kept = [line]
    for header in headers:
        name, _, value = header.partition(b":")
        if name.lower() == b"upgrade":
            asked = value.strip()
        elif name.lower() not in (b"connection", UPGRADE.lower().encode()):
            kept.append(header)
    kept += [b"Connection: Upgrade", b"Upgrade: websocket", UPGRADE.encode() + b": " + asked]
    return b"\r\n".join(kept) + _END + rest


class Server(web.Server):
    """A server whose connections are :class:`Connection`."""

    def __call__(self) -> RequestHandler:
        return Connection(self, loop=self._loop, **self._kwargs)
