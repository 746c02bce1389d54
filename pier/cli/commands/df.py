"""``system df``: what takes the disk's space, and how much of it could be had back."""

from __future__ import annotations

import sys

from pier.cli.call import Call
from pier.cli.command import Command, Failure, Flag
from pier.cli.commands import images as image_rows
from pier.cli.commands import ps, volume
from pier.cli.commands.ps import FORMAT_HELP
from pier.cli.render import Row, Shape, escaped, show, table
from pier.cli.units import ago, parse_rfc3339, size
from pier.client import system
from pier.client.jsontext import encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Json = dict[str, Any]

ACTIVE_STATES = ("running", "paused", "restarting")


class Usage:
    """One line: how many things, how many in use, bytes, and bytes that nobody needs."""

    __slots__ = ("active", "percent", "reclaimable", "size", "total", "type")

    def __init__(self, type: str, total: int, active: int, size: int, reclaimable: int, percent: bool = True) -> None:
        self.type = type
        self.total = total
        self.active = active
        self.size = size
        self.reclaimable = reclaimable
        self.percent = percent


def usages(found: Json) -> list[Usage]:
    """The four lines, from the API's answer."""
    return [
        _images(found.get("Images") or [], found.get("LayersSize") or 0),
        _containers(found.get("Containers") or []),
        _volumes(found.get("Volumes") or []),
        _build_cache(found.get("BuildCache") or []),
    ]


def _images(found: list[Json], total: int) -> Usage:
    used = 0
    for image in found:
        if image.get("Containers") and image["Size"] != -1 and image.get("SharedSize", -1) != -1:
            used += image["Size"] - image["SharedSize"]
    active = sum(image.get("Containers", 0) > 0 for image in found)
    return Usage("Images", len(found), active, total, total - used)


def _containers(found: list[Json]) -> Usage:
    active = [each for each in found if each.get("State") in ACTIVE_STATES]
    total = sum(each.get("SizeRw") or 0 for each in found)
    used = sum(each.get("SizeRw") or 0 for each in active)
    return Usage("Containers", len(found), len(active), total, total - used)


def _volumes(found: list[Json]) -> Usage:
    usage = [each.get("UsageData") or {"Size": -1, "RefCount": 0} for each in found]
    total = sum(max(each["Size"], 0) for each in usage)
    free = sum(max(each["Size"], 0) for each in usage if each["RefCount"] == 0)
    return Usage("Local Volumes", len(found), sum(each["RefCount"] > 0 for each in usage), total, free)


def _build_cache(found: list[Json]) -> Usage:
    own = [each for each in found if not each.get("Shared")]
    total = sum(each.get("Size") or 0 for each in own)
    free = sum(each.get("Size") or 0 for each in own if not each.get("InUse"))
    active = sum(bool(each.get("InUse")) for each in found)
    return Usage("Build Cache", len(found), active, total, free, percent=False)


def _reclaimable(usage: Usage) -> str:
    text = size(usage.reclaimable)
    if usage.size > 0 and usage.percent:
        return f"{text} ({usage.reclaimable * 100 // usage.size}%)"
    return text


SHAPE = Shape(
    "*formatter.diskUsageContext",
    {
        "Type": lambda usage: usage.type,
        "TotalCount": lambda usage: str(usage.total),
        "Active": lambda usage: str(usage.active),
        "Size": lambda usage: size(usage.size),
        "Reclaimable": _reclaimable,
    },
    {"TotalCount": "TOTAL"},
)
CACHE_SHAPE = Shape(
    "*formatter.buildCacheContext",
    {
        "ID": lambda each: each["ID"][:12] if len(each["ID"]) > 12 else each["ID"],
        "Parent": lambda each: " ".join(each.get("Parents") or []),
        "CacheType": lambda each: each.get("Type", ""),
        "Size": lambda each: size(each.get("Size") or 0, 3),
        "CreatedSince": lambda each: ago(parse_rfc3339(each.get("CreatedAt") or "")),
        "LastUsedSince": lambda each: ago(parse_rfc3339(each["LastUsedAt"])) if each.get("LastUsedAt") else "",
        "UsageCount": lambda each: str(each.get("UsageCount", 0)),
        "InUse": lambda each: str(bool(each.get("InUse"))).lower(),
        "Shared": lambda each: str(bool(each.get("Shared"))).lower(),
        "Description": lambda each: each.get("Description", ""),
    },
    {
        "ID": "CACHE ID",
        "CacheType": "CACHE TYPE",
        "CreatedSince": "CREATED",
        "LastUsedSince": "LAST USED",
        "UsageCount": "USAGE",
    },
)
IMAGE_COLUMNS = ("Repository", "Tag", "ID", "CreatedSince", "Size", "SharedSize", "UniqueSize", "Containers")
CONTAINER_COLUMNS = ("ID", "Image", "Command", "LocalVolumes", "Size", "RunningFor", "Status", "Names")
CACHE_COLUMNS = ("ID", "CacheType", "Size", "CreatedSince", "LastUsedSince", "UsageCount", "Shared")


def df(call: Call) -> int:
    found = system.disk_usage(call.client)
    form = call.text("format")
    if not call.flag("verbose"):
        show(SHAPE, usages(found), form, table(("Type", "TotalCount", "Active", "Size", "Reclaimable")))
    elif form in ("", "table"):
        _verbose(found)
    elif form == "json" or form.replace(" ", "") == "{{json.}}":
        _verbose_json(found)
    else:
        raise Failure("the verbose listing is a table or json; other formats show only the totals")
    return 0


def _rows_of_images(found: Json) -> list[tuple[Json, str, str, str]]:
    """One row an image: with its first name only."""
    rows = []
    for image in found.get("Images") or []:
        first = image_rows.rows([image], digests=False)[0]
        rows.append((first[0], first[1], first[2], ""))
    return rows


def _containers_of(found: Json) -> list[Json]:
    """What each container takes itself: the image below it is counted with the images."""
    return [{**each, "SizeRootFs": 0} for each in found.get("Containers") or []]


def _verbose(found: Json) -> None:
    say = sys.stdout.write
    say("Images space usage:\n\n")
    show(image_rows.shape(True), _rows_of_images(found), "", table(IMAGE_COLUMNS))
    say("\nContainers space usage:\n\n")
    show(ps.shape(True), _containers_of(found), "", table(CONTAINER_COLUMNS))
    say("\nLocal Volumes space usage:\n\n")
    show(volume.SHAPE, found.get("Volumes") or [], "", table(("Name", "Links", "Size")))
    cache = found.get("BuildCache") or []
    say(f"\nBuild cache usage: {size(_build_cache(cache).size)}\n\n")
    show(CACHE_SHAPE, sorted(cache, key=_last_used), "", table(CACHE_COLUMNS))


def _last_used(record: Json) -> tuple[str, str, str]:
    """Sorts as Docker does: what was never used, then by the time of the last use, then by ID."""
    second, _, fraction = (record.get("LastUsedAt") or "").removesuffix("Z").partition(".")
    return second, fraction.ljust(9, "0"), record["ID"]


def _verbose_json(found: Json) -> None:
    def rows(shape: Shape, items: list[Any]) -> list[Json]:
        return [Row(shape, item).as_dict() for item in items]

    document = {
        "Images": rows(image_rows.shape(False), _rows_of_images(found)),
        "Containers": rows(ps.shape(False), _containers_of(found)),
        "Volumes": rows(volume.SHAPE, found.get("Volumes") or []),
        "BuildCache": rows(CACHE_SHAPE, found.get("BuildCache") or []),
    }
    sys.stdout.write(escaped(encode(document)))


DF = Command(
    df,
    "",
    (
        Flag("format", "string", FORMAT_HELP),
        Flag("verbose", "bool", "Show every image, container and volume", "v"),
    ),
    maximum=0,
)
