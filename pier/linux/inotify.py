"""Changes in a folder, without polling (inotify(7)).

All watches of a loop share one inotify instance: a user may have only 128 of them, and closing one waits for a
grace period of the kernel's (some 15 ms), which is why that is done in a thread once no watch is left.
"""

import asyncio
import contextlib
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from weakref import WeakKeyDictionary

from pier.linux.libc import check, libc

MODIFY: Final = 0x2
MOVED_TO: Final = 0x80
CREATE: Final = 0x100
DELETE_SELF: Final = 0x400
ONESHOT: Final = 0x80000000

_MASK_ADD: Final = 0x20000000
_QUEUE_OVERFLOW: Final = -1
_NONBLOCK_CLOEXEC: Final = os.O_NONBLOCK | os.O_CLOEXEC
_EVENTS: Final = 65536
_HEADER: Final = struct.Struct("iIII")


class _Instance:
    """The one instance of a loop: which descriptors of the kernel's belong to which watches."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._descriptor = check(libc.inotify_init1(_NONBLOCK_CLOEXEC), "inotify")
        self._watches: dict[int, set[Watch]] = {}
        loop.add_reader(self._descriptor, self._drain)

    def add(self, watch: "Watch", path: Path, mask: int) -> int:
        number = check(libc.inotify_add_watch(self._descriptor, os.fsencode(path), mask | _MASK_ADD), path)
        self._watches.setdefault(number, set()).add(watch)
        return number

    def remove(self, watch: "Watch", number: int) -> None:
        watching = self._watches.get(number, set())
        watching.discard(watch)
        if not watching and self._watches.pop(number, None) is not None:
            libc.inotify_rm_watch(self._descriptor, number)
        if not self._watches:
            self._close()

    def _close(self) -> None:
        del _instances[self._loop]
        self._loop.remove_reader(self._descriptor)
        self._loop.run_in_executor(None, os.close, self._descriptor)

    def _drain(self) -> None:
        with contextlib.suppress(BlockingIOError):
            for number in _numbers(os.read(self._descriptor, _EVENTS)):
                meant = self._watches.values() if number == _QUEUE_OVERFLOW else [self._watches.get(number, set())]
                for watches in meant:
                    for watch in watches:
                        watch.wake()


_instances: Final[WeakKeyDictionary[asyncio.AbstractEventLoop, _Instance]] = WeakKeyDictionary()


def _numbers(events: bytes) -> Iterator[int]:
    offset = 0
    while offset < len(events):
        number, _, _, length = _HEADER.unpack_from(events, offset)
        yield number
        offset += _HEADER.size + length


class Watch:
    """Wakes its one waiter when something changes. Needs a running loop; close it."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._changed = asyncio.Event()
        self._numbers: set[int] = set()

    def add(self, path: Path, mask: int) -> None:
        """Watch ``path``; ``FileNotFoundError`` and the like pass, ENOSPC means that the host's watches are used up."""
        instance = _instances.get(self._loop)
        if instance is None:
            instance = _instances[self._loop] = _Instance(self._loop)
        self._numbers.add(instance.add(self, path, mask))

    def wake(self) -> None:
        """Something has changed (called by the instance)."""
        self._changed.set()

    async def changed(self) -> None:
        """Return when something has changed since the last return."""
        await self._changed.wait()
        self._changed.clear()

    def close(self) -> None:
        """Idempotent."""
        numbers, self._numbers = self._numbers, set()
        instance = _instances.get(self._loop)
        for number in numbers:
            if instance is not None:
                instance.remove(self, number)

    def __enter__(self) -> "Watch":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
