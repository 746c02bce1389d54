"""Removing images that nobody uses."""

import time
from dataclasses import dataclass, field

from pier.events.filters import Filters
from pier.events.timestamps import parse_timestamp
from pier.images.deps import Images
from pier.images.history import unix_seconds
from pier.images.image import Image
from pier.images.release import collect
from pier.images.remove import InUse, Record, remove_dangling

_KNOWN = ("dangling", "label", "label!", "until")


@dataclass(slots=True)
class Pruned:
    """What went: records as of remove, and the bytes of layers that were freed."""

    deleted: list[Record] = field(default_factory=list)
    reclaimed: int = 0


async def prune(images: Images, filters: Filters, *, in_use: InUse) -> Pruned:
    """Remove images without a name and without a container; with ``dangling=false``, named ones too.

    Raises InvalidArgument for an unknown filter. Whatever else nothing needs, such as the remains of a pull
    that failed, goes as well.
    """
    filters.require_known(_KNOWN)
    dangling_only = filters.boolean("dangling", True)
    until = min((parse_timestamp(text, time.time_ns()) for text in filters.get("until")), default=None)
    pruned = Pruned()
    candidates = [image for image in images.store.list() if _wanted(image, filters, until)]
    for image in sorted(candidates, key=lambda each: len(each.chain_ids), reverse=True):
        if (image.dangling or not dangling_only) and not in_use(image.id):
            await _remove(images, image, in_use, pruned)
    pruned.reclaimed += await collect(images)
    images.content.drop_ingests(time.time_ns())
    return pruned


def _wanted(image: Image, filters: Filters, until: int | None) -> bool:
    labels = image.config.config.labels or {}
    return (
        filters.match_label(labels)
        and not filters.excluded_by_label(labels)
        and (until is None or unix_seconds(image.created) * 1_000_000_000 < until)
    )


async def _remove(images: Images, image: Image, in_use: InUse, pruned: Pruned) -> None:
    if images.store.get(image.id) is None or images.store.children(image.id):
        return
    for reference in images.store.references(image.id):
        images.store.untag(reference)
        pruned.deleted.append({"Untagged": reference.familiar})
    records, freed = await remove_dangling(images, image, in_use)
    pruned.deleted += records
    pruned.reclaimed += freed
