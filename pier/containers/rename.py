"""``rename``."""

from pier.containers.deps import Deps


async def rename(deps: Deps, reference: str, new_name: str) -> None:
    """Give it another name. Conflict when that is in use, InvalidArgument when it is not a name."""
    raise AssertionError
