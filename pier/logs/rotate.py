"""Keeping logs small: the newest files of a log, each of a limited size, however much a container writes.

The supervisor replaces its file by a new one (a rename over it) when it is told to, and on its own after
``cap`` bytes, so that a log cannot fill the disk while no daemon is there. A replaced file would be lost, had it
not a second name, ``PATH.kept``, that is given to it here. Whatever replaced it, what follows is the same: when
the two names name different files, the kept one becomes ``PATH.1``, the older ones move up, and the new file
is given its second name. Nothing is written between these steps that could get lost: each file has a name at
every moment. A daemon that comes back does the same once, for what happened meanwhile.

The size is looked at when the kernel says that the folder has changed (inotify), and then again no sooner than the
file could have grown to its limit: an idle container costs nothing, a busy one a few looks a second.
"""

import asyncio
import contextlib
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pier.errors import Conflict
from pier.linux import inotify
from pier.logs.files import kept, rotated

_BYTES_A_SECOND: Final = 100 << 20
_LEAST_CAP: Final = 32_000_000
_SOONEST: Final = 0.02
_LATEST: Final = 0.25


@dataclass(frozen=True, slots=True)
class Limits:
    """Bytes a file, and how many files in all (the current one counts)."""

    size: int = 20_000_000
    files: int = 5

    @property
    def cap(self) -> int:
        """What the supervisor may write on its own before it replaces the file: as much as is kept in all.

        Never less than what a busy container writes while the daemon is about to rotate: were the file replaced
        twice before anybody looked, the lines between would be lost.
        """
        return max(self.size * max(self.files, 2), _LEAST_CAP)


def adopt(path: Path, limits: Limits) -> None:
    """See to it that the log at ``path`` has its second name, moving on what has been replaced. Synchronous."""
    second = kept(path)
    current = _inode(path)
    before = _inode(second)
    if before is not None and before != current:
        _shift(path, limits)
        os.rename(second, rotated(path, 1))
        if limits.files < 2:
            os.unlink(rotated(path, 1))
    if current is not None and before != current:
        with contextlib.suppress(FileExistsError, FileNotFoundError):
            os.link(path, second)


def _shift(path: Path, limits: Limits) -> None:
    """Move PATH.1, PATH.2 ... up by one; the last one allowed is given up."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(rotated(path, max(limits.files - 1, 1)))
    for number in range(limits.files - 2, 0, -1):
        with contextlib.suppress(FileNotFoundError):
            os.rename(rotated(path, number), rotated(path, number + 1))


def _inode(path: Path) -> int | None:
    try:
        return os.stat(path).st_ino
    except FileNotFoundError:
        return None


def remove(path: Path) -> None:
    """Remove all files of the log."""
    for name in (path, kept(path), *path.parent.glob(path.name + ".[0-9]*")):
        name.unlink(missing_ok=True)


async def rotate(path: Path, limits: Limits, reopen: Callable[[], Awaitable[None]]) -> None:
    """Keep the log at ``path`` within ``limits`` until cancelled, or until ``reopen`` raises ``Conflict``.

    ``reopen`` has the supervisor replace its file. It is asked once for each file: asked twice, the supervisor
    would replace the new one, too, before it has its second name.
    """
    asked: int | None = None
    with inotify.Watch() as watch:
        watch.add(path.parent, inotify.MODIFY | inotify.MOVED_TO | inotify.CREATE)
        while True:
            current = _inode(path)
            if current != _inode(kept(path)):
                await asyncio.to_thread(adopt, path, limits)
            left = limits.size - _size(path)
            if left <= 0 and asked != current:
                asked = current
                try:
                    await reopen()
                except Conflict:
                    return
            elif 0 < left < limits.size:
                await asyncio.sleep(min(max(left / _BYTES_A_SECOND, _SOONEST), _LATEST))
            await watch.changed()


def _size(path: Path) -> int:
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return 0
