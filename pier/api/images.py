"""``/images``: listing, inspecting, tagging, removing. Archives and registries are in ``transfer``."""

import asyncio
import time
from collections.abc import Collection
from typing import Any

from aiohttp import web

from pier.api import image_views, versions
from pier.api.call import Call
from pier.api.platforms import platform, platforms
from pier.api.replies import empty, reply
from pier.api.routing import Route
from pier.errors import InvalidArgument
from pier.events.filters import Filters, parse_filters
from pier.events.timestamps import parse_timestamp, rfc3339
from pier.images import history, lookup, prune, remove, tag
from pier.images.image import Image
from pier.images.platforms import of_platform
from pier.images.removeplatforms import remove_platforms
from pier.oci.reference import parse_reference

_KNOWN = ("before", "dangling", "label", "reference", "since", "until")


async def list_images(call: Call) -> web.Response:
    filters = parse_filters(call.text("filters"))
    filters.require_known(_KNOWN)
    if call.version < (1, 25) and call.text("filter"):
        filters = Filters({**filters.values, "reference": (call.text("filter"),)})
    images = call.services.images
    found = await asyncio.to_thread(images.store.list)
    if not call.flag("all"):
        parents = {image.parent for image in found}
        found = [image for image in found if not (image.dangling and image.id in parents)]
    chosen = _filtered(call, list(found), filters)
    shared = await asyncio.to_thread(_shared, call) if call.flag("shared-size") else {}
    chosen.sort(key=image_views.created_seconds, reverse=True)
    summaries = [image_views.summary(image, shared=shared.get(image.id, -1)) for image in chosen]
    return reply([versions.image_summary(each, call.version) for each in summaries])


def _shared(call: Call) -> dict[Any, int]:
    sizes = {chain: layer.size for chain, layer in call.services.images.snapshots.layers().items()}
    return image_views.shared_sizes(call.services.images.store.list(), sizes)


def _filtered(call: Call, found: list[Image], filters: Filters) -> list[Image]:
    before = _bound(call, filters, "before")
    since = _bound(call, filters, "since")
    until = min((_until(text) for text in filters.get("until")), default=None)
    wants_dangling = filters.boolean("dangling", False) if "dangling" in filters else None
    chosen = [
        image
        for image in found
        if (wants_dangling is None or (not image.repo_tags) == wants_dangling)
        and filters.match_label(image.config.config.labels or {})
        and (before is None or image_views.created_seconds(image) < before)
        and (since is None or image_views.created_seconds(image) > since)
        and (until is None or image_views.created_seconds(image) * 1_000_000_000 < until)
    ]
    return _referenced(chosen, filters.get("reference"))


def _referenced(found: list[Image], patterns: Collection[str]) -> list[Image]:
    """Those with a name that fits, and only such names of them: who removes what is listed means no other."""
    if not patterns:
        return found
    known = (image_views.known_as(image, patterns) for image in found)
    return [image for image in known if image.repo_tags or image.repo_digests]


def _bound(call: Call, filters: Filters, key: str) -> int | None:
    names = filters.get(key)
    return image_views.created_seconds(lookup.find(call.services.images, names[0])) if names else None


def _until(text: str) -> int:
    return parse_timestamp(text, time.time_ns())


async def inspect_image(call: Call) -> web.Response:
    image = of_platform(call.services.images, lookup.find(call.services.images, call.name), call.name, platform(call))
    graph = call.services.images.snapshots.layer_graph(image.top) if image.top else {}
    return reply(versions.image(image_views.full(image, graph, rfc3339(image.tagged_ns)), call.version))


async def image_history(call: Call) -> web.Response:
    return reply(await asyncio.to_thread(history.history, call.services.images, call.name, platform(call)))


async def tag_image(call: Call) -> web.Response:
    repository, tag_name = call.text("repo"), call.text("tag")
    target = parse_reference(repository)
    if target.digest is not None:
        raise InvalidArgument("refusing to create a tag with a digest reference")
    target = target.with_tag(tag_name) if tag_name else target.with_default_tag()
    tag.tag(call.services.images, call.name, target)
    return empty(201)


async def remove_image(call: Call) -> web.Response:
    if not call.name.strip():
        raise InvalidArgument("image name cannot be blank")
    images, flags = call.services.images, {"force": call.flag("force"), "prune_children": not call.flag("noprune")}
    in_use = call.services.containers.registry.image_users
    if wanted := platforms(call, "platforms"):
        return reply(await remove_platforms(images, call.name, wanted, **flags, in_use=in_use))
    return reply(await remove.remove(images, call.name, **flags, in_use=in_use))


async def prune_images(call: Call) -> web.Response:
    filters = parse_filters(call.text("filters"))
    pruned = await prune.prune(call.services.images, filters, in_use=call.services.containers.registry.image_users)
    return reply({"ImagesDeleted": pruned.deleted or None, "SpaceReclaimed": pruned.reclaimed})


ROUTES = (
    Route("GET", "/images/json", list_images),
    Route("POST", "/images/prune", prune_images),
    Route("GET", "/images/{name}/json", inspect_image),
    Route("GET", "/images/{name}/history", image_history),
    Route("POST", "/images/{name}/tag", tag_image),
    Route("DELETE", "/images/{name}", remove_image),
)
