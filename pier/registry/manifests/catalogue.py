"""Which repositories there are."""

from typing import Final

from pier.registry.deps import Registry
from pier.registry.principal import Principal

_AT_A_TIME: Final = 1000


async def catalogue(
    registry: Registry, asker: Principal, after: str = "", limit: int = 0, *, word: str = ""
) -> list[str]:
    """Names with ``word`` in them, in their order, beyond ``after``, of what ``asker`` may pull from.

    All where ``limit`` is 0. Who may pull from few of many is answered by few questions, too.
    """
    found: list[str] = []
    size = limit or _AT_A_TIME
    while page := await registry.records.repositories(after, size):
        for name in page:
            if word in name and await asker.may("pull", name):
                found.append(name)
                if len(found) == limit:
                    return found
        if len(page) < size:
            break
        after, size = page[-1], min(2 * size, max(limit, _AT_A_TIME))
    return found
