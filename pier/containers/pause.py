"""``pause`` and ``unpause``: freezing all processes of a container."""

from pier.containers.deps import Deps


async def pause(deps: Deps, reference: str) -> None:
    """Freeze it. Conflict when it is not running or paused already."""
    raise AssertionError


async def unpause(deps: Deps, reference: str) -> None:
    """Thaw it. Conflict when it is not paused."""
    raise AssertionError
