"""``ps``: the containers that a filter lets through, newest first."""

from typing import Any

from pier.containers.deps import Deps
from pier.events.filters import NO_FILTERS, Filters


async def containers(
    deps: Deps, *, all: bool = False, limit: int = -1, size: bool = False, filters: Filters = NO_FILTERS
) -> list[dict[str, Any]]:
    """The JSON of ``GET /containers/json``. ``limit`` above 0 includes stopped ones, as ``all`` does."""
    raise AssertionError
