"""Which repositories there are."""

from typing import Final

from pier.registry.deps import Registry
from pier.registry.principal import Principal

_PAGE: Final = 500


async def catalogue(registry: Registry, asker: Principal, after: str = "", limit: int = 0) -> list[str]:
    """Names in their order, beyond ``after``, of those that ``asker`` may pull from; all where ``limit`` is 0."""
    found: list[str] = []
    while True:
        page = await registry.records.repositories(after, limit or _PAGE)
        for name in page:
            if await asker.may("pull", name):
                found.append(name)
                if len(found) == limit:
                    return found
        if len(page) < (limit or _PAGE):
            return found
        after = page[-1]
