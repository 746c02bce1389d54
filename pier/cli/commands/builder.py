"""``builder du`` and ``builder prune``: what the build cache takes, and having it back."""

from __future__ import annotations

import sys
import time

from pier.cli.call import Call, say
from pier.cli.command import Command, Failure, Flag
from pier.cli.commands.df import CACHE_SHAPE
from pier.cli.commands.prune import agreed
from pier.cli.options.filters import grouped
from pier.cli.render import show
from pier.cli.units import ago, go_time, parse_rfc3339, size
from pier.client import system

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Json = dict[str, Any]
    Filters = dict[str, list[str]]

DANGLING = "WARNING! This will remove all dangling build cache."
ALL = "WARNING! This will remove all build cache."
MUTABLE = ("source.local", "exec.cachemount")
TEXTS = {"type": "Type", "description": "Description"}
FLAGS = ("inuse", "shared", "private", "mutable", "immutable")
AGES = ("until", "unused-for")
SPACES = ("keep-storage", "reserved-space", "max-used-space", "min-free-space")


def prune(call: Call) -> int:
    every = call.flag("all")
    if not agreed(call, ALL if every else DANGLING):
        return 0
    spaces = {name: call.get(name) for name in SPACES if call.given(name)}
    answer = system.prune_build_cache(call.client, every, grouped(call.items("filter")), spaces)
    deleted = answer.get("CachesDeleted") or []
    if deleted:
        say("Deleted build cache objects:\n" + "".join(f"{each}\n" for each in deleted))
    say(f"Total reclaimed space: {size(int(answer.get('SpaceReclaimed') or 0))}")
    return 0


def usage(call: Call) -> int:
    filters = grouped(call.items("filter"))
    check(filters)
    found = system.disk_usage(call.client, ("build-cache",)).get("BuildCache") or []
    chosen = sorted((each for each in found if matches(each, filters)), key=_size, reverse=True)
    if call.text("format"):
        show(CACHE_SHAPE, chosen, call.text("format"), "")
        return 0
    if call.flag("verbose"):
        sys.stdout.write("".join(_block(each) for each in chosen))
    elif chosen:
        sys.stdout.write("ID\t\t\t\t\t\tRECLAIMABLE\tSIZE\t\tLAST ACCESSED\n")
        sys.stdout.write("".join(_row(each) for each in chosen))
    sys.stdout.write(_totals(chosen))
    return 0


def check(filters: Filters) -> None:
    """Raise Failure for a filter that there is not."""
    for name, values in filters.items():
        if name not in (*TEXTS, *FLAGS, *AGES, "id", "parent"):
            raise Failure(f"invalid filter '{name}'")
        for value in values:
            if name in AGES:
                _age(name, value)


def _age(name: str, text: str) -> int:
    from pier.cli.options.quantities import duration as parse

    try:
        return parse(text)
    except ValueError as error:
        raise Failure(f"\"{name}\" filter expects a duration (e.g., '24h'): {error}") from None


def matches(each: Json, filters: Filters) -> bool:
    """Of each filter one value holds."""
    return all(any(_holds(each, name, value) for value in values) for name, values in filters.items())


def _holds(each: Json, name: str, value: str) -> bool:
    if name == "id":
        return value in each["ID"]
    if name == "parent":
        return value in (each.get("Parents") or [])
    if name in AGES:
        used = parse_rfc3339(each.get("LastUsedAt") or "")
        return used <= time.time() - _age(name, value) / 1e9
    if name in FLAGS:
        return _flag(each, name) is (value.lower() in ("1", "true", ""))
    return bool(each.get(TEXTS[name]) == value)


def _flag(each: Json, name: str) -> bool:
    shared, mutable = bool(each.get("Shared")), each.get("Type") in MUTABLE
    return {
        "inuse": bool(each.get("InUse")),
        "shared": shared,
        "private": not shared,
        "mutable": mutable,
        "immutable": not mutable,
    }[name]


def _size(each: Json) -> int:
    return int(each.get("Size") or 0)


def _last_used(each: Json) -> str:
    return ago(parse_rfc3339(each["LastUsedAt"])) if each.get("LastUsedAt") else ""


def _row(each: Json) -> str:
    name = each["ID"] + ("*" if _flag(each, "mutable") else "")
    taken = size(_size(each)) + ("*" if each.get("Shared") else "")
    return f"{name:<40}\t{_reclaimable(each):<5}\t\t{taken:<10}\t{_last_used(each)}\n"


def _reclaimable(each: Json) -> str:
    return str(not each.get("InUse")).lower()


def _block(each: Json) -> str:
    parents = each.get("Parents") or []
    lines = [("ID", each["ID"])]
    if parents:
        lines.append(("Parents" if len(parents) > 1 else "Parent", ", ".join(parents)))
    lines += [
        ("Created at", go_time(int(parse_rfc3339(each.get("CreatedAt") or "")))),
        ("Mutable", str(_flag(each, "mutable")).lower()),
        ("Reclaimable", _reclaimable(each)),
        ("Shared", str(bool(each.get("Shared"))).lower()),
        ("Size", size(_size(each))),
        ("Description", each.get("Description") or ""),
        ("Usage count", str(each.get("UsageCount") or 0)),
        ("Last used", _last_used(each)),
        ("Type", each.get("Type") or ""),
    ]
    return "".join(f"{name}:\t{'' if len(name) > 6 else chr(9)}{value}\n" for name, value in lines) + "\n"


def _totals(found: list[Json]) -> str:
    """What is shared is counted, but not had back by pruning."""
    shared = sum(_size(each) for each in found if each.get("Shared"))
    total = sum(_size(each) for each in found)
    free = sum(_size(each) for each in found if not each.get("InUse"))
    parts = [("Shared", shared), ("Private", total - shared)] if shared else []
    parts += [("Reclaimable", free), ("Total", total)]
    return "".join(f"{name}:\t{'' if len(name) > 6 else chr(9)}{size(count)}\n" for name, count in parts)


BUILDER = Flag("builder", "string", "Accepted for buildx's sake: there is one builder", hidden=True)
PRUNE = Command(
    prune,
    "",
    (
        Flag("all", "bool", "Remove what images share too", "a"),
        BUILDER,
        Flag("filter", "filter", "Only what matches (until=24h, type=exec.cachemount, id=a)"),
        Flag("force", "bool", "Do not ask", "f"),
        Flag("keep-storage", "bytes", "Keep so much of the cache, what was used last"),
        Flag("max-used-space", "bytes", "Keep no more of the cache than this"),
        Flag("min-free-space", "bytes", "Remove until so much of the disk is free"),
        Flag("reserved-space", "bytes", "Keep so much of the cache in any case"),
        Flag("verbose", "bool", "Accepted for buildx's sake", hidden=True),
    ),
    maximum=0,
    examples=(("pier builder prune --keep-storage 5g", "The 5 GB that were used last stay"),),
)
DU = Command(
    usage,
    "",
    (
        BUILDER,
        Flag("filter", "filter", "Only what matches (type=source.local, unused-for=24h, id=a)"),
        Flag("format", "string", 'Show each as "json" or through a Go template'),
        Flag("verbose", "bool", "Show all that is known of each", "v"),
    ),
    maximum=0,
)
