"""``start``: mounts, network and process of a container."""

from pier.containers.deps import Deps


async def start(deps: Deps, reference: str) -> None:
    """Start it. NotModified when it runs already, Conflict when it is paused or being removed.

    Whatever fails is undone; the record keeps the error, and exit code 126, 127 or 128, as Docker's does.
    """
    raise AssertionError
