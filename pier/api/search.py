"""``/images/search``: repositories on Docker Hub, or on the registry that the term begins with."""

from aiohttp import web

from pier.api.call import Call
from pier.api.distribution import credentials
from pier.api.replies import reply
from pier.api.routing import Route
from pier.errors import InvalidArgument
from pier.events.filters import Filters, parse_filters
from pier.remote.search import DEFAULT_LIMIT, Found, search

_KNOWN = ("is-automated", "is-official", "stars")


async def search_images(call: Call) -> web.Response:
    filters = parse_filters(call.text("filters"))
    filters.require_known(_KNOWN)
    wanted = _Wanted(filters)
    limit = call.integer("limit") or DEFAULT_LIMIT
    found = await search(call.services.registries, call.text("term"), limit, credentials(call))
    return reply([_shown(each) for each in found if wanted.includes(each)])


class _Wanted:
    """The filters, read once. Nothing is automated any more, says Docker. Raises InvalidArgument in Docker's words."""

    def __init__(self, filters: Filters) -> None:
        self.official = filters.boolean("is-official", False) if "is-official" in filters else None
        self.automated = filters.boolean("is-automated", False)
        self.stars = max((_stars(text) for text in filters.get("stars")), default=0)

    def includes(self, each: Found) -> bool:
        return self.official in (None, each.official) and not self.automated and each.stars >= self.stars


def _stars(text: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        what = f'strconv.Atoi: parsing "{text}": invalid syntax'
        raise InvalidArgument(f"invalid filter 'stars={text}': {what}") from error


def _shown(each: Found) -> dict[str, str | int | bool]:
    return {
        "star_count": each.stars,
        "is_official": each.official,
        "name": each.name,
        "is_automated": False,
        "description": each.description,
    }


ROUTES = (Route("GET", "/images/search", search_images),)
