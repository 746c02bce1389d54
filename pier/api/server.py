"""The HTTP server under the application: connections that can be taken over, and that tell when they are lost.

A request to attach takes its connection over: what follows it belongs to the container. aiohttp's parser knows
no such thing (it closes when the client has sent all it will send, and drops what follows in the same packet),
so such a request is recognised here, handed on as an ordinary one, and what follows is kept for who takes over.
"""

from collections.abc import Callable
from typing import Any, Final

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

UPGRADE: Final = "X-Pier-Upgrade"
"""Of a request that takes the connection over: the protocol that the client asked for, or ``none``."""

_LONGEST_REQUEST: Final = 1 << 20
_MOST_KEPT: Final = 256 << 10
_END: Final = b"\r\n\r\n"
_LAST_CHUNK: Final = b"0\r\n\r\n"
_TAKING_OVER: Final = (b"/attach", b"/grpc", b"/session", b"/build/stream")


class Connection(RequestHandler):
    """One client connection."""

    __slots__ = ("_begun", "_kept", "_lost", "_paused_by_us", "_taken", "_takeover", "half_closed")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._lost: list[Callable[[], Any]] = []
        self._begun: bytes | None = b""  # of a request; None while its body arrives or it is being answered
        self._takeover = False
        self._taken = False
        self._kept = b""
        self._paused_by_us = False
        self.half_closed = False

    def on_lost(self, callback: Callable[[], Any]) -> None:
        """Call ``callback`` when the connection ends during the current request."""
        self._lost.append(callback)

    def answered(self) -> None:
        """The current request is done with: the next bytes begin another."""
        self._lost.clear()
        self._begun = b""
        if self._takeover:  # and nobody took over: it was refused
            following = self.take()
            self._taken = False
            if following:
                self.data_received(following)
            if self.half_closed:
                self.close()

    @property
    def endless(self) -> bool:
        """Whether what is being answered ends with the client only: nobody can wait for it."""
        return self._taken or bool(self._lost)

    def hang_up(self) -> None:
        """Close when nothing is being answered, or something endless; else after the present answer."""
        if self.endless and self.transport is not None:
            self.transport.close()
        else:
            self.close()

    def take(self) -> bytes:
        """What has come in after a request that takes over; from now on the caller reads."""
        self._takeover = False
        self._taken = True
        if self._paused_by_us and self.transport is not None:
            self._paused_by_us = False
            self.transport.resume_reading()
        kept, self._kept = self._kept, b""
        return kept

    def data_received(self, data: bytes) -> None:
        if self._takeover:
            self._keep(data)
        elif self._begun is None:
            super().data_received(data)
        else:
            self._begin(self._begun + data)

    def _begin(self, data: bytes) -> None:
        """Look at the first bytes of a request, and wait for more where they are too few to tell."""
        length = takeover_length(data)
        if length is None and len(data) < _LONGEST_REQUEST:
            self._begun = data
            return
        self._begun = None
        if not length:
            super().data_received(data)
            return
        self._takeover = True
        self._keep(data[length:])
        super().data_received(as_ordinary(data[:length]))

    def _keep(self, data: bytes) -> None:
        self._kept += data
        if len(self._kept) >= _MOST_KEPT and not self._paused_by_us and self.transport is not None:
            self._paused_by_us = True
            self.transport.pause_reading()

    def eof_received(self) -> bool:  # type: ignore[override]  # aiohttp says None, asyncio asks for a bool
        self.half_closed = True
        return self._takeover

    def connection_lost(self, exc: BaseException | None) -> None:
        super().connection_lost(exc)
        callbacks, self._lost = self._lost, []
        for callback in callbacks:
            callback()


def takeover_length(data: bytes) -> int | None:
    """The length of a request that takes its connection over, with its body; 0 for any other, None: more is needed.

    Old clients take over without asking for an upgrade, so that it is the path that tells.
    """
    if not (data.startswith(b"POST ") or b"POST ".startswith(data)):
        return 0
    head, end, body = data.partition(_END)
    if (end or b"\r\n" in head) and not _takes_over(head):
        return 0
    if not end:
        return None
    if b"\r\ntransfer-encoding:" in head.lower():
        last = 0 if body.startswith(_LAST_CHUNK) else body.find(b"\r\n" + _LAST_CHUNK)
        return None if last < 0 else len(head) + len(_END) + body.index(_LAST_CHUNK, last) + len(_LAST_CHUNK)
    length = len(head) + len(_END) + _content_length(head)
    return length if len(data) >= length else None


def _takes_over(head: bytes) -> bool:
    words = head.partition(b"\r\n")[0].split(b" ")
    target = words[1].partition(b"?")[0] if len(words) == 3 else b""
    return target.endswith(_TAKING_OVER) or (b"/exec/" in target and target.endswith(b"/start"))


def _content_length(head: bytes) -> int:
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length" and value.strip().isdigit():
            return int(value)
    return 0


def as_ordinary(request: bytes) -> bytes:
    """The request without its wish for an upgrade, which :data:`UPGRADE` tells of instead."""
    head, end, body = request.partition(_END)
    line, *headers = head.split(b"\r\n")
    asked = b"none"
    kept = [line]
    for header in headers:
        name, _, value = header.partition(b":")
        if name.lower() == b"upgrade":
            asked = value.strip()
        elif name.lower() not in (b"connection", UPGRADE.lower().encode()):
            kept.append(header)
    kept.append(UPGRADE.encode() + b": " + asked)
    return b"\r\n".join(kept) + end + body


class Server(web.Server):
    """A server whose connections are :class:`Connection`."""

    def hang_up(self) -> None:
        """Begin the end: close idle connections and endless streams; :meth:`shutdown` waits for the others."""
        for connection in self.connections:
            if isinstance(connection, Connection):
                connection.hang_up()

    def __call__(self) -> RequestHandler:
        return Connection(self, loop=self._loop, **self._kwargs)
