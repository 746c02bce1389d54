"""Where the folders of clients lie: those that are kept below ``deps.root/contexts``, others with what is temporary."""

import asyncio
import hashlib
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import msgspec

from pier.build.cache import CacheRecord
from pier.build.caching.inuse import in_use
from pier.build.deps import Deps
from pier.errors import NoSpace
from pier.linux.trees import remove_tree

_FOLDER: Final = "contexts"


def key_of(shared_key: str, name: str) -> str:
    return "sha256:" + hashlib.sha256(f"client's folder {shared_key}\0{name}".encode()).hexdigest()


@asynccontextmanager
async def kept(deps: Deps, key: str, description: str) -> AsyncIterator[tuple[Path, Callable[[int], None]]]:
    """Yield the folder of a key that is not in use, and what records its size once it is filled.

    It is the caller's alone, and is not evicted, while the block runs. One that the disk has no room for is removed.
    """
    path = f"{_FOLDER}/{key.removeprefix('sha256:')}"
    with in_use(deps, key):
        place = deps.root / path
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        _record(deps, key, path, description, None)
        sizes: list[int] = []

        def filled(size: int) -> None:
            sizes.append(size)
            _record(deps, key, path, description, size)

        try:
            yield place, filled
        except NoSpace:
            if not sizes:
                deps.cache.remove([key])
                await asyncio.to_thread(remove_tree, place)
            raise


def _record(deps: Deps, key: str, path: str, description: str, size: int | None) -> None:
    """One use more, told at its beginning; and how large the folder has become."""
    now = time.time_ns()
    new = CacheRecord(key=key, kind="source.local", description=description, path=path, created=now, own=0)
    record = deps.cache.get(key) or new
    uses = record.uses + (size is None)
    deps.cache.put(msgspec.structs.replace(record, used=now, uses=uses, size=record.size if size is None else size))


@asynccontextmanager
async def passing(deps: Deps) -> AsyncIterator[Path]:
    """Yield a folder for this build alone."""
    place = Path(tempfile.mkdtemp(dir=deps.images.tmp))
    try:
        yield place
    finally:
        await asyncio.to_thread(remove_tree, place)
