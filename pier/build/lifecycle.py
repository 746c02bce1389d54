"""What the builder does when the daemon starts and stops."""

import asyncio
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

from pier.build import recover
from pier.build.cache import CacheRecord
from pier.build.caching.drop import trash
from pier.build.caching.held import own_chains
from pier.build.deps import Deps
from pier.linux.trees import remove_tree
from pier.oci.digest import Digest

FOLDERS: Final = ("contexts", "git", "checkouts", "http", "mounts")
"""Below the build root: what is in them is the cache's, and has a record."""
_DAY: Final = 24 * 3600 * 1_000_000_000
_FORGOTTEN: Final = 90 * _DAY
_MOST_RECORDS: Final = 20_000


async def start(deps: Deps) -> None:
    """Take up what the last daemon left. Call it before the layers that nobody needs are collected.

    Records whose folders are gone are removed; those whose layers are gone stay, unless they are old or too many.
    """
    await recover.recover(deps)
    now = time.time_ns()
    records = await asyncio.to_thread(_sound_records, deps, now)
    for record in records:
        if not record.path:
            deps.held.add(record)
    deps.images.holders.append(deps.held.__contains__)


async def close(deps: Deps) -> None:
    """Stop every step that still runs. The networks must still be there."""
    await deps.flights.close()
    await recover.close(deps)


def _sound_records(deps: Deps, now: int) -> list[CacheRecord]:
    records = sorted(deps.cache.list(), key=lambda record: record.used, reverse=True)
    for left in (*trash(deps).iterdir(), *_strays(deps, records)):
        remove_tree(left)
    chains = set(deps.snapshots.layers())
    unsound = {record.key for record in records if record.path and not (deps.root / record.path).is_dir()}
    unsound.update(_stale(records, chains, now))
    deps.cache.remove(unsound)
    deps.cache.forget(now - _FORGOTTEN)
    return [record for record in records if record.key not in unsound]


def _strays(deps: Deps, records: Iterable[CacheRecord]) -> Iterable[Path]:
    """Folders that were made and never recorded."""
    named = {deps.root / record.path for record in records if record.path}
    named.update(*(path.parents for path in named))
    for folder in FOLDERS:
        with suppress(FileNotFoundError):
            yield from (path for path in (deps.root / folder).iterdir() if path not in named)


def _stale(records: Iterable[CacheRecord], chains: set[Digest], now: int) -> Iterable[str]:
    """Those that have no layers, and were not used for long, or come after very many others."""
    for place, record in enumerate(records):
        old = place >= _MOST_RECORDS or record.used < now - _FORGOTTEN
        if old and not record.path and not chains.intersection(own_chains(record)):
            yield record.key
