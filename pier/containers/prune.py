"""``container prune``: removing all that have ended."""

import asyncio
import time
from dataclasses import dataclass
from typing import Final

from pier.containers.container import Container
from pier.containers.deps import Deps
from pier.containers.registry import Live
from pier.containers.remove import remove
from pier.errors import Conflict, InvalidArgument, NotFound
from pier.events.filters import NO_FILTERS, Filters
from pier.events.timestamps import parse_timestamp

_KEYS: Final = ("label", "label!", "until")


@dataclass(frozen=True, slots=True)
class Pruned:
    """Ids removed, and the bytes of their writable layers."""

    ids: tuple[str, ...]
    reclaimed: int


async def prune(deps: Deps, filters: Filters = NO_FILTERS) -> Pruned:
    """Remove containers that do not run. Filters: ``label``, ``label!``, ``until``."""
    filters.require_known(_KEYS)
    until = _until(filters)
    removed: list[str] = []
    reclaimed = 0
    for live in deps.registry:
        if _wanted(live.record, filters, until):
            size = await _remove(deps, live)
            if size is not None:
                removed.append(live.record.id)
                reclaimed += size
    deps.events.publish("container", "prune", "", {"reclaimed": str(reclaimed)})
    return Pruned(tuple(removed), reclaimed)


def _until(filters: Filters) -> int | None:
    values = filters.get("until")
    if len(values) > 1:
        raise InvalidArgument("more than one until filter specified")
    return parse_timestamp(values[0], time.time_ns()) if values else None


def _wanted(record: Container, filters: Filters, until: int | None) -> bool:
    return (
        not record.state.running
        and (until is None or record.created <= until)
        and filters.match_label(record.labels)
        and not filters.excluded_by_label(record.labels)
    )


async def _remove(deps: Deps, live: Live) -> int | None:
    """Bytes freed, or None when somebody started or removed it first."""
    try:
        size = await asyncio.to_thread(deps.snapshots.rw_usage, live.record.id)
        await remove(deps, live.record.id)
    except (Conflict, NotFound):
        return None
    return size
