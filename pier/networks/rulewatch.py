"""News of nftables changes that others make, so that our rules can be mended at once. Event-driven."""

import asyncio
import errno
from collections.abc import Callable

from pier.linux import nftables
from pier.linux.netlink import NetlinkSocket


class RuleWatch:
    """Calls ``on_foreign`` on the loop with the names of the tables that somebody else has touched.

    The kernel names the thread that made a change. Which name is ours is learnt from a change that
    we make, for in a PID namespace it is not the one that we know. So all our changes come
    from one thread: the one that calls :meth:`open` and :meth:`learn`.
    """

    def __init__(self, on_foreign: Callable[[frozenset[str] | None], None]) -> None:
        self._on_foreign = on_foreign
        self._monitor: NetlinkSocket | None = None
        self._own = 0
        self._loop: asyncio.AbstractEventLoop | None = None

    def open(self) -> None:
        """Begin to hear; before the first change of ours. Idempotent."""
        if self._monitor is None:
            self._monitor = nftables.open_monitor()

    def learn(self, table: str) -> None:
        """Our first change of ``table`` was just made: see who the kernel says we are."""
        if self._own == 0 and self._monitor is not None:
            made = [change.pid for change in nftables.changes(self._monitor.drain()) if table in change.tables]
            self._own = made[-1] if made else 0

    def listen(self) -> None:
        """Let the running loop read. Idempotent."""
        if self._loop is None and self._monitor is not None and self._own:
            self._loop = asyncio.get_running_loop()
            self._loop.add_reader(self._monitor.fileno(), self._read)

    def close(self) -> None:
        if self._monitor is not None:
            if self._loop is not None:
                self._loop.remove_reader(self._monitor.fileno())
            self._monitor.close()
            self._monitor = self._loop = None

    def _read(self) -> None:
        assert self._monitor is not None
        try:
            changes = nftables.changes(self._monitor.drain())
        except OSError as error:
            if error.errno != errno.ENOBUFS:
                raise
            self._on_foreign(None)  # more news than the kernel could keep: anything may have changed
            return
        tables = frozenset(name for change in changes if change.pid != self._own for name in change.tables)
        if tables:
            self._on_foreign(tables)
