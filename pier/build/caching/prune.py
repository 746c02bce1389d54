"""Removing from the cache what the user wants gone: records, and what nobody else needs of their layers and folders."""

import asyncio
import os
import time
from collections.abc import Iterable, Sequence

import msgspec

from pier.build.caching.bodies import Bodies
from pier.build.caching.drop import drop_folders, release_loose
from pier.build.caching.selection import Selection, chosen
from pier.build.caching.usage import Entry, usage
from pier.build.deps import Deps
from pier.log import trace


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """``all``: also what images share. ``unused_for``: ns since the last use, at least.

    Bytes, 0 for no such bound. ``reserved``: keep so much in any case. ``max_used``: keep no more than that.
    ``min_free``: have so much free on the disk. With none of them, nothing is kept for its size.
    """

    all: bool = False
    selection: Selection = ()
    unused_for: int = 0
    reserved: int = 0
    max_used: int = 0
    min_free: int = 0

    @property
    def keeps(self) -> bool:
        return bool(self.reserved or self.max_used or self.min_free)


async def prune(deps: Deps, rules: Rules) -> Sequence[Entry]:
    """Remove what ``rules`` say, but nothing that is in use, what was not used for longest first.

    Returns what went; sizes are the bytes that were freed with each.
    """
    async with deps.held.evicting:
        await release_loose(deps)
        bodies = await asyncio.to_thread(Bodies, deps.snapshots.layers())
        entries = await asyncio.to_thread(usage, deps)
        removed: list[Entry] = []
        kept = sum(entry.size for entry in entries if not entry.shared)
        least = _least(deps, rules, kept)
        for entry in _candidates(entries, rules):
            if rules.keeps and kept <= least:
                break
            freed = await _remove(deps, entry, bodies)
            if freed is not None:
                kept -= freed
                removed.append(msgspec.structs.replace(entry, size=freed))
        if not rules.selection and not rules.keeps:
            _forget_the_rest(deps, rules)
        deps.held.room = None
    deps.events.publish("builder", "prune", "", {"reclaimed": str(reclaimed(removed))})
    return removed


def reclaimed(removed: Iterable[Entry]) -> int:
    """Bytes that were freed."""
    return sum(entry.size for entry in removed)


def _least(deps: Deps, rules: Rules, total: int) -> int:
    """How many bytes the rules let the cache keep."""
    keep = rules.max_used
    disk = os.statvfs(deps.root)
    excess = rules.min_free - disk.f_bavail * disk.f_frsize
    if rules.min_free and excess > 0:
        keep = min(keep or total, total - excess)
    elif rules.min_free and not rules.max_used:
        keep = total
    return max(keep, rules.reserved, 0)


def _candidates(entries: Iterable[Entry], rules: Rules) -> list[Entry]:
    """What lies on others comes before them."""
    before = time.time_ns() - rules.unused_for
    found = [
        entry
        for entry in entries
        if entry.recorded
        and not entry.in_use
        and (rules.all or not entry.shared)
        and entry.record.used <= before
        and chosen(entry, rules.selection)
    ]
    return sorted(found, key=lambda entry: (entry.record.used, -len(entry.record.diff_ids)))


async def _remove(deps: Deps, entry: Entry, bodies: Bodies) -> int | None:
    """Bytes freed; None where it has come into use meanwhile."""
    if entry.record.path:
        return entry.size if await drop_folders(deps, [entry.record]) else None
    if any(chain in deps.images.pins for chain in deps.held.own(entry.record)):
        return None
    deps.cache.remove([entry.record.key])
    deps.held.remove([entry.record.key])
    trace("build:forgotten")
    return await release_loose(deps, bodies)


def _forget_the_rest(deps: Deps, rules: Rules) -> None:
    """Records that have nothing on disk any more, and digests of contents."""
    before = time.time_ns() - rules.unused_for
    layers = deps.snapshots.layers()
    gone = [
        record.key
        for record in deps.cache.list()
        if record.used <= before
        and not record.path
        and not any(chain in layers or chain in deps.images.pins for chain in deps.held.own(record))
    ]
    deps.cache.remove(gone)
    deps.held.remove(gone)
    if rules.all:
        deps.cache.forget(before)
        deps.known_files.forget(deps.root, before)
