"""Folders of the cache that sources fill: fetched files, repositories, checkouts.

They are made aside and moved to their place, so that a folder that is there is whole, whoever was killed meanwhile.
"""

import asyncio
import os
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final
from weakref import WeakValueDictionary

import msgspec

from pier.build.cache import CacheRecord
from pier.build.deps import Deps
from pier.build.threads import in_thread
from pier.linux.files import disk_errors
from pier.linux.trees import remove_tree

HTTP: Final = "http"
GIT: Final = "git"
CHECKOUTS: Final = "checkouts"
_DRAFT: Final = ".new-"
_LOCKS: Final[WeakValueDictionary[str, asyncio.Lock]] = WeakValueDictionary()


def lock_of(deps: Deps, name: str) -> asyncio.Lock:
    """One of the process, by name; for as long as somebody has it."""
    return _LOCKS.setdefault(f"{deps.root} {name}", asyncio.Lock())


@asynccontextmanager
async def draft_in(deps: Deps, folder: str) -> AsyncIterator[Path]:
    """A new folder beside those in ``deps.root/folder``. What is still there at the end is removed. Raises NoSpace."""
    draft = deps.root / folder / (_DRAFT + secrets.token_hex(8))
    with disk_errors():
        draft.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft.mkdir(mode=0o700)
    try:
        with disk_errors():
            yield draft
    finally:
        await in_thread(remove_tree, draft)


def keep(deps: Deps, made: Path, record: CacheRecord) -> None:
    """Move the folder ``made`` to where ``record`` has it, and put the record. The caller has it in use.

    One that is there already stays; it is as good.
    """
    place = deps.root / record.path
    if place.is_dir():
        used_again(deps, record)
        return
    os.rename(made, place)
    deps.cache.put(record)
    if deps.held.room is not None:
        deps.held.room -= record.size


def new_record(key: str, kind: str, description: str, path: str, size: int) -> CacheRecord:
    now = time.time_ns()
    return CacheRecord(
        key=key, kind=kind, description=description, path=path, size=size, own=0, created=now, used=now, uses=1
    )


def used_again(deps: Deps, record: CacheRecord) -> None:
    """Note one use more of a folder; its record may have been lost in a crash."""
    found = deps.cache.get(record.key) or record
    deps.cache.put(msgspec.structs.replace(found, used=time.time_ns(), uses=found.uses + 1))
