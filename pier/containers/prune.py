"""``container prune``: removing all that have ended."""

from dataclasses import dataclass

from pier.containers.deps import Deps
from pier.events.filters import NO_FILTERS, Filters


@dataclass(frozen=True, slots=True)
class Pruned:
    """Ids removed, and the bytes of their writable layers."""

    ids: tuple[str, ...]
    reclaimed: int


async def prune(deps: Deps, filters: Filters = NO_FILTERS) -> Pruned:
    """Remove containers that do not run. Filters: ``label``, ``label!``, ``until``."""
    raise AssertionError
