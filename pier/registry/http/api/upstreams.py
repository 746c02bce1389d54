"""What is pulled through: from where, how much of it is kept, and whether the other registry answers."""

from typing import Any

from aiohttp import web

from pier.registry.http.api.asking import Ask
from pier.registry.http.replies import document
from pier.registry.settings import Upstream
from pier.registry.upstream.cache import Cache


async def upstreams(ask: Ask) -> web.StreamResponse:
    """For administrators; none where nothing is pulled through."""
    ask.administer()
    cache = ask.cache
    if cache is None:
        return document([])
    sizes = await ask.registry.records.cached_sizes()
    return document([_upstream(cache, each, sizes.get(each.name, 0)) for each in cache.places.upstreams])


def _upstream(cache: Cache, upstream: Upstream, size: int) -> dict[str, Any]:
    return {
        "name": upstream.name,
        "url": upstream.url,
        "names": upstream.names,
        "default": upstream.default,
        "ttl": upstream.ttl,
        "bytes": size,
        "trouble": cache.asking.trouble(upstream.name),
    }
