"""Changes in a folder, without polling (inotify(7))."""

import asyncio
import contextlib
import os
from pathlib import Path
from typing import Final

from pier.linux.libc import check, libc

MODIFY: Final = 0x2
MOVED_TO: Final = 0x80
CREATE: Final = 0x100
DELETE_SELF: Final = 0x400
ONESHOT: Final = 0x80000000

_NONBLOCK_CLOEXEC: Final = os.O_NONBLOCK | os.O_CLOEXEC
_EVENTS: Final = 65536


class Watch:
    """Wakes its one waiter when something changes. Needs a running loop; close it."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._changed = asyncio.Event()
        self._descriptor = check(libc.inotify_init1(_NONBLOCK_CLOEXEC), "inotify")
        self._loop.add_reader(self._descriptor, self._drain)

    def add(self, path: Path, mask: int) -> None:
        """Watch ``path``; ``FileNotFoundError`` and the like pass, ENOSPC means that the host's watches are used up."""
        check(libc.inotify_add_watch(self._descriptor, os.fsencode(path), mask), path)

    def _drain(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._descriptor, _EVENTS)
        self._changed.set()

    async def changed(self) -> None:
        """Return when something has changed since the last return."""
        await self._changed.wait()
        self._changed.clear()

    def close(self) -> None:
        """Idempotent."""
        if self._descriptor >= 0:
            self._loop.remove_reader(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> "Watch":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
