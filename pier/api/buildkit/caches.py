"""The build cache as ``buildx du`` and ``buildx prune`` see it."""

import asyncio
from collections.abc import Sequence

from pier.api.buildkit.proto.control_pb2 import PruneRequest, UsageRecord
from pier.api.buildkit.statusreply import timestamp
from pier.build.caching import prune as pruning
from pier.build.caching.selection import chosen, parse_selection
from pier.build.caching.usage import MUTABLE, Entry, usage
from pier.build.deps import Deps


async def records(deps: Deps, filters: Sequence[str]) -> list[UsageRecord]:
    """What of the cache is on disk and meant by ``filters``. Raises InvalidArgument."""
    selection = parse_selection(filters)
    found = await asyncio.to_thread(usage, deps)
    return [_record(entry) for entry in found if chosen(entry, selection)]


async def prune(deps: Deps, request: PruneRequest) -> list[UsageRecord]:
    """Remove what the request's rules let go, and return it. Raises InvalidArgument."""
    rules = pruning.Rules(
        all=request.all,
        selection=parse_selection(request.filter),
        unused_for=request.keepDuration,
        reserved=request.reservedSpace,
        max_used=request.maxUsedSpace,
        min_free=request.minFreeSpace,
    )
    return [_record(entry) for entry in await pruning.prune(deps, rules)]


def _record(entry: Entry) -> UsageRecord:
    record = entry.record
    return UsageRecord(
        ID=entry.id,
        Mutable=record.kind in MUTABLE,
        InUse=entry.in_use,
        Size=entry.size,
        Parent=entry.parents[0] if entry.parents else "",
        Parents=entry.parents,
        CreatedAt=timestamp(record.created),
        LastUsedAt=timestamp(record.used),
        UsageCount=record.uses,
        Description=record.description,
        RecordType=record.kind,
        Shared=entry.shared,
    )
