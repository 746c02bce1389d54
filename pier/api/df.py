"""``/system/df``: what uses how much of the disk, and how much of it could be had back."""

import asyncio
from collections import Counter
from typing import Any

from aiohttp import web

from pier.api import buildcache, image_views, versions
from pier.api.call import Call
from pier.api.replies import reply
from pier.api.routing import Route
from pier.api.volumes import describe
from pier.build.caching.usage import layers_of
from pier.containers import listing
from pier.errors import InvalidArgument

_TYPES = ("container", "image", "volume", "build-cache")


async def disk_usage(call: Call) -> web.Response:
    wanted = call.texts("type") or list(_TYPES)
    for each in wanted:
        if each not in _TYPES:
            raise InvalidArgument(f"unknown object type: {each}")
    body: dict[str, Any] = {}
    if "image" in wanted:
        body["LayersSize"], images = await asyncio.to_thread(_images, call)
        body["Images"] = [versions.image_summary(each, call.version) for each in images]
    if "container" in wanted:
        found = await listing.containers(call.services.containers, all=True, size=True)
        body["Containers"] = [versions.container_summary(each, call.version) for each in found]
    if "volume" in wanted:
        body["Volumes"] = await asyncio.to_thread(_volumes, call)
    if "build-cache" in wanted:
        cache = await buildcache.entries(call.services.builds)
        body["BuildCache"] = [buildcache.describe(each, call.version) for each in cache]
        if call.version < (1, 42):
            body["BuilderSize"] = sum(each.size for each in cache)
    return reply(body)


def _images(call: Call) -> tuple[int, list[dict[str, Any]]]:
    """Layers that only the build cache has are counted there."""
    layers = call.services.images.snapshots.layers()
    sizes = {chain: layer.size for chain, layer in layers.items()}
    images = call.services.images.store.list()
    shared = image_views.shared_sizes(images, sizes)
    users = Counter(live.record.image_id for live in call.services.containers.registry)
    summaries = [image_views.summary(image, containers=users[image.id], shared=shared[image.id]) for image in images]
    cache = layers_of(call.services.builds, call.services.builds.cache.list())
    total = cache.bodies.size(sizes.keys()) - cache.size
    return total, summaries


def _volumes(call: Call) -> list[dict[str, Any]]:
    registry = call.services.containers.registry
    return [
        describe(volume)
        | {
            "UsageData": {
                "RefCount": len(registry.volume_users(volume.name)),
                "Size": call.services.volumes.size(volume.name),
            }
        }
        for volume in call.services.volumes.list()
    ]


ROUTES = (Route("GET", "/system/df", disk_usage),)
