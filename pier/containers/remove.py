"""``rm``: a container's end."""

from pier.containers.deps import Deps
from pier.containers.forget import forget
from pier.containers.kill import finish
from pier.containers.registry import Live
from pier.containers.state import check_remove
from pier.containers.watch import give_up_restart
from pier.errors import Conflict


async def remove(deps: Deps, reference: str, *, force: bool = False, volumes: bool = False, link: bool = False) -> None:
    """Remove it: ``force`` kills it first, ``volumes`` takes its anonymous volumes along.

    Its name is free on return; files and mounts go in the background. Conflict when it runs and ``force`` is
    not given, or when its removal is already under way. ``link`` is refused: Pier has no legacy links.
    """
    live = deps.registry.find(reference)
    if link:
        raise Conflict("Conflict, cannot remove the default link name of the container")
    if live.removing:
        raise Conflict(f"removal of container {live.record.id} is already in progress")
    check_remove(live.record, force)
    live.removing = True  # from here on nothing starts it any more
    await deps.background.through(_remove(deps, live, volumes))


async def _remove(deps: Deps, live: Live, volumes: bool) -> None:
    try:
        await _end(deps, live)
        async with live.lock:
            if deps.registry.get(live.record.id) is live:
                await forget(deps, live, volumes=volumes)
    finally:
        live.removing = False


async def _end(deps: Deps, live: Live) -> None:
    async with live.lock:  # a start that is under way has its end first
        pass
    if live.record.state.running and not await give_up_restart(deps, live):
        await finish(deps, live)
