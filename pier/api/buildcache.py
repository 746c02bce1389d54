"""``/build/prune``, and the build cache's part of ``/system/df``."""

import asyncio
import time
from typing import Any, Final

from aiohttp import web

from pier.api.call import Call
from pier.api.replies import reply
from pier.api.routing import Route, Version
from pier.build.caching.prune import Rules, prune, reclaimed
from pier.build.caching.selection import FLAGS, TEXTS, Selection, Term
from pier.build.caching.usage import Entry, usage
from pier.build.deps import Deps
from pier.errors import InvalidArgument
from pier.events.filters import Filters, parse_filters
from pier.events.timestamps import parse_timestamp, rfc3339

_AGES: Final = ("until", "unused-for")
_FAILED: Final = "failed to prune build cache: "


async def prune_cache(call: Call) -> web.Response:
    """``keep-storage`` is what ``reserved-space`` was called before 1.48."""
    filters = parse_filters(call.text("filters"))
    _check(filters)
    removed = await prune(
        call.services.builds,
        Rules(
            all=call.flag("all"),
            selection=_selection(filters),
            unused_for=_unused_for(filters),
            reserved=_bytes(call, "reserved-space") or _bytes(call, "keep-storage"),
            max_used=_bytes(call, "max-used-space"),
            min_free=_bytes(call, "min-free-space"),
        ),
    )
    return reply({"CachesDeleted": [entry.id for entry in removed] or None, "SpaceReclaimed": reclaimed(removed)})


def _bytes(call: Call, name: str) -> int:
    text = call.text(name)
    try:
        return max(int(text or "0"), 0)
    except ValueError as error:
        raise InvalidArgument(
            f'{name} is in bytes and expects an integer, got {text}: strconv.Atoi: parsing "{text}": invalid syntax'
        ) from error


def _check(filters: Filters) -> None:
    for name, values in filters.values.items():
        if name not in (*_AGES, *FLAGS, *TEXTS):
            raise InvalidArgument(f"{_FAILED}invalid filter '{name}'")
        if len(values) > 1:
            raise InvalidArgument(f"{_FAILED}filters expect only one value")
    if all(name in filters for name in _AGES):
        raise InvalidArgument(f'{_FAILED}conflicting filters: "until" and "unused-for"')


def _unused_for(filters: Filters) -> int:
    """Nanoseconds, 0 where no age is given."""
    for name in _AGES:
        for text in filters.get(name):
            now = time.time_ns()
            try:
                return max(now - parse_timestamp(text, now), 0)
            except InvalidArgument as error:
                raise InvalidArgument(
                    f"{_FAILED}\"{name}\" filter expects a duration (e.g., '24h') or a timestamp: {error}"
                ) from error
    return 0


def _selection(filters: Filters) -> Selection:
    """All that is given must hold; an ID may be given in part."""
    terms = [_term(name, value) for name in (*FLAGS, *TEXTS) for value in filters.get(name)]
    terms += [Term(name) for name in FLAGS if name in filters.values and not filters.get(name)]
    return (tuple(terms),) if terms else ()


def _term(name: str, value: str) -> Term:
    if name in FLAGS:
        plain = {"": "", "1": "", "true": "", "0": "!", "false": "!"}.get(value.lower())
        return Term(name, "==" if plain is None else plain, value)
    return Term(name, "~=" if name == "id" else "==", value)


async def entries(deps: Deps) -> list[Entry]:
    """All of the cache, what was used last first."""
    return await asyncio.to_thread(usage, deps)


def describe(entry: Entry, version: Version) -> dict[str, Any]:
    """One record, in the shape of API ``version``: one parent before 1.42, all of them since."""
    record = entry.record
    body: dict[str, Any] = {"ID": entry.id}
    if entry.parents and version < (1, 42):
        body["Parent"] = entry.parents[0]
    elif entry.parents:
        body["Parents"] = list(entry.parents)
    return body | {
        "Type": record.kind,
        "Description": record.description,
        "InUse": entry.in_use,
        "Shared": entry.shared,
        "Size": entry.size,
        "CreatedAt": rfc3339(record.created),
        "LastUsedAt": rfc3339(record.used) if record.uses or record.used else None,
        "UsageCount": record.uses,
    }


ROUTES = (Route("POST", "/build/prune", prune_cache),)
