"""Cache mounts: folders below ``deps.root/mounts`` that outlive steps, and that several may share."""

import asyncio
import hashlib
import os
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final
from weakref import WeakValueDictionary

import msgspec

from pier.build.cache import CacheRecord
from pier.build.caching.drop import drop_folders
from pier.build.caching.inuse import in_use
from pier.build.deps import Build, Deps
from pier.build.graph import Exec, Graph, Mount
from pier.build.remotecache.mounts import fill
from pier.build.threads import in_thread
from pier.linux.files import used_bytes
from pier.linux.trees import remove_tree

FOLDER: Final = "mounts"
DRAFT: Final = ".new-"
_MODE: Final = 0o755
_LOCKS: Final[WeakValueDictionary[str, asyncio.Lock]] = WeakValueDictionary()

Seed = Callable[[Path], Awaitable[None]]
"""Fills a new folder."""


def folder_of(deps: Deps, id: str) -> Path:
    """Where the cache mount ``id`` lies, if it is there (the first, where ``private`` ones are several)."""
    return deps.root / _path(_key(id, 0))


async def begin_anew(deps: Deps, graph: Graph) -> None:
    """Drop the cache mounts of steps that are to take nothing from the cache, as BuildKit does.

    What another build is using stays.
    """
    steps = [vertex.op for vertex in graph.vertices.values() if vertex.uncached and isinstance(vertex.op, Exec)]
    ids = {mount.id for step in steps for mount in step.mounts if mount.type == "cache"}
    found = [record for id in ids for record in _records(deps, id)]
    if found:
        await drop_folders(deps, found)


def _records(deps: Deps, id: str) -> Iterator[CacheRecord]:
    number = 0
    while record := deps.cache.get(_key(id, number)):
        yield record
        number += 1


@asynccontextmanager
async def cache_folder(build: Build, mount: Mount, description: str, seed: Seed | None) -> AsyncIterator[Path]:
    """The folder, for as long as the block runs; made, and filled, when it is first wanted.

    ``sharing``: ``locked`` waits for its end of use elsewhere, ``private`` takes another one instead.
    """
    deps = build.deps
    async with AsyncExitStack() as stack:
        key = _free(deps, mount.id) if mount.sharing == "private" else _key(mount.id, 0)
        stack.enter_context(in_use(deps, key))
        if mount.sharing == "locked":
            await stack.enter_async_context(_lock(deps, key))
        folder = deps.root / _path(key)
        async with _lock(deps, f"make {key}"):
            if not folder.is_dir():
                await _make(build, mount, folder, seed)
        _record(deps, key, description, None)
        try:
            yield folder
        finally:
            _record(deps, key, description, await in_thread(used_bytes, folder))


def _free(deps: Deps, id: str) -> str:
    number = 0
    while (key := _key(id, number)) in deps.in_use:
        number += 1
    return key


def _key(id: str, number: int) -> str:
    text = f"cachemount {id}" + (f" {number}" if number else "")
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def _path(key: str) -> str:
    return f"{FOLDER}/{key.removeprefix('sha256:')}"


def _lock(deps: Deps, key: str) -> asyncio.Lock:
    return _LOCKS.setdefault(f"{deps.root} {key}", asyncio.Lock())


async def _make(build: Build, mount: Mount, folder: Path, seed: Seed | None) -> None:
    draft = folder.with_name(DRAFT + secrets.token_hex(8))
    draft.mkdir(mode=0o700, parents=True)
    try:
        if not await fill(build, mount.id, draft) and seed is not None:
            await seed(draft)
        os.chmod(draft, _MODE if mount.mode < 0 else mount.mode)
        os.chown(draft, mount.uid, mount.gid)
        os.rename(draft, folder)
    except BaseException:
        await in_thread(remove_tree, draft)
        raise


def drafts(deps: Deps) -> list[Path]:
    """Folders that were being made; in a new daemon, by the dead."""
    return sorted((deps.root / FOLDER).glob(f"{DRAFT}*"))


def _record(deps: Deps, key: str, description: str, size: int | None) -> None:
    """One use more, told at its beginning; and at its end, how large the folder has become."""
    now = time.time_ns()
    old = deps.cache.get(key)
    record = old or CacheRecord(
        key=key, kind="exec.cachemount", description=description, path=_path(key), created=now, own=0
    )
    uses = record.uses + (size is None)
    kept = record.size if size is None else size
    deps.cache.put(msgspec.structs.replace(record, used=now, uses=uses, size=kept))
