"""Waiting for the ends of interfaces, off everybody's path.

An interface ends with its sandbox, some 30 ms after that was let go of, in the kernel's own time and
many at a time; deleting it by hand would keep the kernel's lock for as long. So we wait for the
kernel's word. What outlives ``PATIENCE`` (something else holds the sandbox) is deleted by hand.
"""

import asyncio
import errno
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from pier.errors import PierError
from pier.linux import links
from pier.linux.netlink import NetlinkSocket
from pier.log import Logger
from pier.networks.network import Endpoint

PATIENCE: Final = 1.0

_log = Logger("pier.networks")


class Reaper:
    """``destroy`` deletes the interfaces of endpoints; ``gone`` hears of each endpoint that has none any more."""

    def __init__(
        self, destroy: Callable[[Sequence[Endpoint]], Awaitable[None]], gone: Callable[[Sequence[Endpoint]], None]
    ) -> None:
        self._destroy = destroy
        self._gone = gone
        self._waiting: dict[str, Endpoint] = {}
        self._monitor: NetlinkSocket | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def waiting(self) -> list[Endpoint]:
        return list(self._waiting.values())

    def add(self, endpoint: Endpoint) -> None:
        """Take care of a detached endpoint; before its sandbox is let go of."""
        if not endpoint.interface:
            self._gone([endpoint])
            return
        self._waiting[endpoint.interface] = endpoint
        self._idle.clear()
        if self._monitor is None:
            self._monitor = links.open_monitor()
            asyncio.get_running_loop().add_reader(self._monitor.fileno(), self._read)
        asyncio.get_running_loop().call_later(PATIENCE, self._overdue, endpoint)

    async def finished(self) -> None:
        """Return when nothing is waited for: after a few ms as a rule, after PATIENCE and a deletion at worst."""
        await self._idle.wait()

    async def drain(self) -> None:
        """Delete what is waited for, now, and return when nothing is left."""
        await self._destroy_now(self.waiting)
        while self._tasks:
            await asyncio.gather(*self._tasks)

    def close(self) -> None:
        """Stop listening."""
        if self._monitor is not None:
            asyncio.get_running_loop().remove_reader(self._monitor.fileno())
            self._monitor.close()
            self._monitor = None

    def _read(self) -> None:
        assert self._monitor is not None
        try:
            names = links.deleted(self._monitor.drain())
        except OSError as error:
            if error.errno != errno.ENOBUFS:
                raise
            return  # news were lost: patience ends for those that they were about
        self._end([self._waiting[name] for name in names if name in self._waiting])

    def _overdue(self, endpoint: Endpoint) -> None:
        if self._waiting.get(endpoint.interface) is endpoint:
            task = asyncio.ensure_future(self._destroy_now([endpoint]))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _destroy_now(self, endpoints: Sequence[Endpoint]) -> None:
        try:
            await self._destroy(endpoints)
        except PierError as error:
            _log.error("an interface cannot be removed and keeps its address", error=error)
        else:
            self._end([endpoint for endpoint in endpoints if endpoint.interface in self._waiting])

    def _end(self, endpoints: Sequence[Endpoint]) -> None:
        for endpoint in endpoints:
            del self._waiting[endpoint.interface]
        if endpoints:
            self._gone(endpoints)
        if not self._waiting:
            self._idle.set()
            self.close()
