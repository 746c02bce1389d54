"""``prune`` of each kind and of everything, after asking."""

from __future__ import annotations

import sys

from pier.cli.call import Call, say
from pier.cli.command import Command, Failure, Flag
from pier.cli.options.filters import grouped
from pier.cli.units import size
from pier.client import containers, images, networks, system, volumes
from pier.errors import NotFound, Unsupported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Json = dict[str, Any]
    Filters = dict[str, list[str]]

FORCE = Flag("force", "bool", "Do not ask", "f")
FILTER = Flag("filter", "filter", "Only what matches (until=24h, label=a)")
CONTAINERS = "WARNING! This will remove all stopped containers."
NETWORKS = "WARNING! This will remove all custom networks not used by at least one container."
VOLUMES = "WARNING! This will remove anonymous local volumes not used by at least one container."
ALL_VOLUMES = "WARNING! This will remove all local volumes not used by at least one container."
DANGLING = "WARNING! This will remove all dangling images."
ALL_IMAGES = "WARNING! This will remove all images without at least one container associated to them."


def agreed(call: Call, warning: str) -> bool:
    """Whether the user says yes, or has said ``-f``."""
    if call.flag("force"):
        return True
    sys.stdout.write(f"{warning}\nAre you sure you want to continue? [y/N] ")
    sys.stdout.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _filters(call: Call) -> Filters:
    return grouped(call.items("filter"))


def _report(title: str, lines: list[str]) -> None:
    if lines:
        say(f"{title}\n" + "".join(f"{line}\n" for line in lines))


def _total(count: int) -> None:
    say(f"Total reclaimed space: {size(count)}")


def prune_containers(call: Call) -> int:
    if agreed(call, CONTAINERS):
        _total(_containers(call, _filters(call)))
    return 0


def _containers(call: Call, filters: Filters) -> int:
    answer = containers.prune(call.client, filters)
    _report("Deleted Containers:", answer.get("ContainersDeleted") or [])
    return int(answer.get("SpaceReclaimed") or 0)


def prune_images(call: Call) -> int:
    every = call.flag("all")
    if agreed(call, ALL_IMAGES if every else DANGLING):
        _total(_images(call, _filters(call), every))
    return 0


def _images(call: Call, filters: Filters, every: bool) -> int:
    answer = images.prune(call.client, {**filters, "dangling": ["false" if every else "true"]})
    lines = [
        f"untagged: {each['Untagged']}" if each.get("Untagged") else f"deleted: {each['Deleted']}"
        for each in answer.get("ImagesDeleted") or []
    ]
    _report("Deleted Images:", lines)
    return int(answer.get("SpaceReclaimed") or 0)


def prune_volumes(call: Call) -> int:
    filters, every = _filters(call), call.flag("all")
    if every:
        if "all" in filters:
            raise Failure("conflicting options: cannot specify both --all and --filter all=1")
        filters["all"] = ["true"]
    if agreed(call, ALL_VOLUMES if every else VOLUMES):
        _total(_volumes(call, filters))
    return 0


def _volumes(call: Call, filters: Filters) -> int:
    answer = volumes.prune(call.client, filters)
    _report("Deleted Volumes:", answer.get("VolumesDeleted") or [])
    return int(answer.get("SpaceReclaimed") or 0)


def prune_networks(call: Call) -> int:
    if agreed(call, NETWORKS):
        _networks(call, _filters(call))
    return 0


def _networks(call: Call, filters: Filters) -> None:
    _report("Deleted Networks:", networks.prune(call.client, filters).get("NetworksDeleted") or [])


def prune_system(call: Call) -> int:
    filters, every, with_volumes = _filters(call), call.flag("all"), call.flag("volumes")
    if with_volumes and "until" in filters:
        raise Failure('ERROR: The "until" filter is not supported with "--volumes"')
    if not agreed(call, _system_warning(call, every, with_volumes)):
        return 0
    freed = _containers(call, filters)
    _networks(call, filters)
    if with_volumes:
        freed += _volumes(call, filters)
    freed += _images(call, filters, every)
    _total(freed + _build_cache(call, filters, every))
    return 0


def _system_warning(call: Call, every: bool, with_volumes: bool) -> str:
    parts = ["all stopped containers", "all networks not used by at least one container"]
    if with_volumes:
        parts.append("all anonymous volumes not used by at least one container")
    parts.append("all images without at least one container associated to them" if every else "all dangling images")
    parts.append("all build cache" if every else "unused build cache")
    text = "WARNING! This will remove:\n" + "".join(f"  - {part}\n" for part in parts)
    if call.given("filter"):
        text += "\n  Items to be pruned will be filtered with:\n"
        text += "".join(f"  - {name}={value}\n" for name, value in sorted(call.items("filter")))
    return text


def _build_cache(call: Call, filters: Filters, every: bool) -> int:
    """A daemon without a builder has no cache: that is no error."""
    kept = {name: values for name, values in filters.items() if name != "label"}
    try:
        answer = system.prune_build_cache(call.client, every, kept)
    except (NotFound, Unsupported):
        return 0
    _report("Deleted build cache objects:", answer.get("CachesDeleted") or [])
    return int(answer.get("SpaceReclaimed") or 0)


CONTAINER_PRUNE = Command(prune_containers, "", (FILTER, FORCE), maximum=0)
IMAGE_PRUNE = Command(
    prune_images,
    "",
    (Flag("all", "bool", "Remove every image without a container, not only those without a name", "a"), FILTER, FORCE),
    maximum=0,
)
VOLUME_PRUNE = Command(
    prune_volumes,
    "",
    (Flag("all", "bool", "Remove volumes that have a name too", "a"), FILTER, FORCE),
    maximum=0,
)
NETWORK_PRUNE = Command(prune_networks, "", (FILTER, FORCE), maximum=0)
SYSTEM_PRUNE = Command(
    prune_system,
    "",
    (
        Flag("all", "bool", "Remove every image without a container, not only those without a name", "a"),
        FILTER,
        FORCE,
        Flag("volumes", "bool", "Remove anonymous volumes too"),
    ),
    maximum=0,
)
