"""``rm``: a container's end."""

from pier.containers.deps import Deps


async def remove(deps: Deps, reference: str, *, force: bool = False, volumes: bool = False, link: bool = False) -> None:
    """Remove it: ``force`` kills it first, ``volumes`` takes its anonymous volumes along.

    Its name is free on return; files and mounts go in the background. Conflict when it runs and ``force`` is
    not given, or when its removal is already under way. ``link`` is refused: Pier has no legacy links.
    """
    raise AssertionError
