"""Noticing that a client which has sent all it will send is gone altogether.

A unix socket whose peer has only stopped sending still takes output; one whose peer has closed it is hung up,
which epoll_ctl(2) reports (EPOLLHUP) even when nobody reads. TCP cannot tell the two apart before it is written to.
"""

import asyncio
import select
import socket
from collections.abc import Callable


class HangupWatch:
    """Calls ``gone`` once, when the peer of a unix socket has closed it. Any other socket is never reported."""

    def __init__(self, transport: asyncio.Transport, gone: Callable[[], object]) -> None:
        self._gone = gone
        self._epoll: select.epoll | None = None
        watched = transport.get_extra_info("socket")
        if watched is not None and watched.family == socket.AF_UNIX:
            self._epoll = select.epoll(1)
            self._epoll.register(watched.fileno(), 0)
            asyncio.get_running_loop().add_reader(self._epoll.fileno(), self._hung_up)

    def _hung_up(self) -> None:
        self.close()
        self._gone()

    def close(self) -> None:
        """Stop watching. Idempotent; call it before the socket's descriptor can be used again."""
        if self._epoll is not None:
            asyncio.get_running_loop().remove_reader(self._epoll.fileno())
            self._epoll.close()
            self._epoll = None
