"""Deleting what the cache no longer keeps: layers that lost their last record, folders."""

import asyncio
from collections.abc import Iterable, Sequence
from pathlib import Path

from pier.build.cache import CacheRecord
from pier.build.caching.bodies import Bodies
from pier.build.deps import Deps
from pier.images.release import release_layers
from pier.linux.trees import move_aside, remove_tree
from pier.log import trace


async def release_loose(deps: Deps, bodies: Bodies | None = None) -> int:
    """Remove the layers that no record has any more, unless someone else needs them. Returns the bytes freed."""
    freed = 0
    for chain in deps.held.take_loose():
        for layer in await release_layers(deps.images, chain):
            freed += bodies.removed(layer) if bodies is not None else layer.size
    return freed


async def drop_folders(deps: Deps, records: Iterable[CacheRecord]) -> Sequence[CacheRecord]:
    """Forget those that are not in use, and delete their folders. Returns the records that are gone."""
    gone: list[CacheRecord] = []
    moved: list[Path] = []
    for record in records:
        if record.key not in deps.in_use:
            aside = _move(deps, record)
            moved += [aside] if aside is not None else []
            trace("build:moved")
            deps.cache.remove([record.key])
            gone.append(record)
    await asyncio.to_thread(_delete, moved)
    return gone


def _move(deps: Deps, record: CacheRecord) -> Path | None:
    """On the loop, so that nobody can enter the folder between the question and the rename."""
    folder = deps.root / record.path
    if not folder.resolve().is_relative_to(deps.root.resolve()) or folder == deps.root:
        return None
    return move_aside(folder, trash(deps))


def trash(deps: Deps) -> Path:
    """Where folders wait for their deletion."""
    folder = deps.root / "trash"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def _delete(folders: Iterable[Path]) -> None:
    for folder in folders:
        remove_tree(folder)
