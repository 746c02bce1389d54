"""What a unix stream socket tells of its peer: whether it has read what was sent, and whether it is gone.

See unix(7), epoll(7), and SIOCOUTQ in tcp(7), which unix sockets answer too. A TCP socket knows neither before
it is written to, so for other families everything counts as read and nobody ever as gone.
"""

import array
import asyncio
import contextlib
import fcntl
import select
import socket
import termios
from collections.abc import Callable


def _unix_descriptor(transport: asyncio.BaseTransport) -> int | None:
    found = transport.get_extra_info("socket")
    return found.fileno() if found is not None and found.family == socket.AF_UNIX else None


def unread(descriptor: int) -> int:
    """Bytes (of the kernel's own count) that the peer has not read yet."""
    count = array.array("i", [0])
    fcntl.ioctl(descriptor, termios.TIOCOUTQ, count)
    return count[0]


async def await_read(transport: asyncio.BaseTransport, patience: float) -> None:
    """Return once the peer has read everything that was sent, or after ``patience`` seconds."""
    descriptor = _unix_descriptor(transport)
    if descriptor is None or descriptor < 0:
        return
    loop = asyncio.get_running_loop()
    freed = asyncio.Event()
    with select.epoll(1) as epoll:
        epoll.register(descriptor, select.EPOLLOUT | select.EPOLLET)  # an edge each time the peer frees a buffer

        def note() -> None:
            epoll.poll(0)
            freed.set()

        loop.add_reader(epoll.fileno(), note)
        try:
            async with asyncio.timeout(patience):
                while unread(descriptor) > 0:
                    freed.clear()
                    await freed.wait()
        except (TimeoutError, OSError):
            pass  # a peer that does not read is the writer's to deal with
        finally:
            loop.remove_reader(epoll.fileno())


class HangupWatch:
    """Calls ``gone`` once, when the peer has closed its socket, and not when it has only stopped sending."""

    def __init__(self, transport: asyncio.BaseTransport, gone: Callable[[], object]) -> None:
        self._gone = gone
        self._epoll: select.epoll | None = None
        descriptor = _unix_descriptor(transport)
        if descriptor is not None and descriptor >= 0:
            self._epoll = select.epoll(1)
            self._epoll.register(descriptor, 0)  # EPOLLHUP is always reported
            asyncio.get_running_loop().add_reader(self._epoll.fileno(), self._hung_up)

    def _hung_up(self) -> None:
        self.close()
        self._gone()

    def close(self) -> None:
        """Stop watching. Idempotent; call it before the socket's descriptor can be used again."""
        if self._epoll is not None:
            asyncio.get_running_loop().remove_reader(self._epoll.fileno())
            with contextlib.suppress(OSError):
                self._epoll.close()
            self._epoll = None
