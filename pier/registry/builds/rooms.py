"""Temporary folders of builds, below the registry's root: none outlasts its use, or the next start.

Each has a lock file beside it that is held while it is used. What a process that was killed has left is not locked.
"""

import asyncio
import fcntl
import os
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from pier.errors import Unavailable
from pier.linux.trees import remove_tree
from pier.registry.threads import obtain, settled

_FOLDER: Final = "builds"
_LOCK: Final = ".lock"


@asynccontextmanager
async def room(root: Path) -> AsyncIterator[Path]:
    """An empty folder of its own that nobody else may look into. Raises Unavailable."""
    made = await obtain(None, _give_back, _make, root / _FOLDER)
    try:
        yield made[0]
    finally:
        await settled(asyncio.get_running_loop().run_in_executor(None, _give_back, made))


def sweep(root: Path) -> None:
    """Remove what nobody uses. Blocks."""
    for lock in (root / _FOLDER).glob(f"*{_LOCK}"):
        try:
            descriptor = os.open(lock, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            continue
        _give_back((lock.with_suffix(""), descriptor))


def _make(above: Path) -> tuple[Path, int]:
    place = above / secrets.token_hex(8)
    try:
        above.mkdir(mode=0o700, exist_ok=True)
        descriptor = os.open(_lock_of(place), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        place.mkdir(mode=0o700)
    except OSError as error:
        raise Unavailable(f"there is no place for the repository in {above}: {error.strerror}") from error
    return place, descriptor


def _give_back(made: tuple[Path, int]) -> None:
    place, descriptor = made
    try:
        remove_tree(place)
        _lock_of(place).unlink(missing_ok=True)
    finally:
        os.close(descriptor)


def _lock_of(place: Path) -> Path:
    return place.with_name(place.name + _LOCK)
