"""``resize``: the size of a container's terminal."""

from pier.containers.deps import Deps


async def resize(deps: Deps, reference: str, height: int, width: int) -> None:
    """Tell the terminal its size in characters. Conflict when the container is not running."""
    raise AssertionError
