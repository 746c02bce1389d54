"""``inspect``: everything about one container, in the shape of API 1.51."""

from typing import Any

from pier.containers.deps import Deps


async def inspect(deps: Deps, reference: str, size: bool = False) -> dict[str, Any]:
    """The JSON of ``GET /containers/{id}/json``; ``size`` adds SizeRw and SizeRootFs (walks the files)."""
    raise AssertionError
