"""What is pulled through: from where, how much of it is kept, and whether the other registry answers."""

from typing import Any, Final
from urllib.parse import quote

from aiohttp import web

from pier.errors import NotFound
from pier.registry.http.api.asking import Ask
from pier.registry.http.pages import page_of
from pier.registry.http.replies import document
from pier.registry.settings import Upstream
from pier.registry.upstream.cache import Cache

_PAGE: Final = 100


async def upstreams(ask: Ask) -> web.StreamResponse:
    """For administrators; none where nothing is pulled through."""
    ask.administer()
    cache = ask.cache
    if cache is None:
        return document([])
    sizes = await ask.registry.records.cached_sizes()
    return document([_upstream(cache, each, sizes.get(each.name, 0)) for each in cache.places.upstreams])


async def kept(ask: Ask) -> web.StreamResponse:
    """Its repositories of which something is here, by name; ``n`` and ``last`` page as in the specification's lists."""
    ask.administer()
    (name,) = ask.words
    page = page_of(ask.request.query, _PAGE)
    found = [] if page.nothing else await ask.registry.records.kept_repositories(name, page.after, page.limit)
    if not found and (ask.cache is None or name not in {each.name for each in ask.cache.places.upstreams}):
        raise NotFound(f"no such upstream: {name[:64]}")
    shown = page.cut([each.name for each in found])
    links = page.link(f"/api/v1/upstreams/{quote(name)}", [each.name for each in found])
    return document([each for each in found if each.name in shown], links)


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
