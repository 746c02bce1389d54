"""Where no upstream is in the settings any more, what was pulled through is of no use to anybody."""

from typing import Final

from pier.log import Logger
from pier.registry.deps import Registry

EVERY: Final = 3600
"""Seconds until it goes: who starts a registry without its settings by mistake finds all as it was."""
_GRACE: Final = 300
_log: Final = Logger("pier.registry")


async def leave(registry: Registry) -> None:
    """Let go of all of it."""
    records = registry.records
    while left := sum((await records.cached_sizes()).values()):
        freed = await records.evict_cached(left, registry.now() + _GRACE)
        _log.info("let go of what was pulled through: there is no upstream any more", bytes=freed)
        if not freed:
            break
