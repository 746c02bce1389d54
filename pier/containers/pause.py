"""``pause`` and ``unpause``: freezing all processes of a container."""

from pier.containers.announce import announce
from pier.containers.deps import Deps
from pier.containers.health import cease, monitor
from pier.containers.state import check_pause, check_unpause
from pier.errors import PierError


async def pause(deps: Deps, reference: str) -> None:
    """Freeze it. Conflict when it is not running or paused already."""
    live = deps.registry.find(reference)
    async with live.lock:
        check_pause(live.record)
        assert live.record.supervised is not None
        await cease(live)
        try:
            await deps.runtime.pause(live.record.supervised)
        except PierError:
            monitor(deps, live)
            raise
        announce(deps, deps.registry.put(live, live.record.with_state(status="paused")), "pause")


async def unpause(deps: Deps, reference: str) -> None:
    """Thaw it. Conflict when it is not paused."""
    live = deps.registry.find(reference)
    async with live.lock:
        check_unpause(live.record)
        assert live.record.supervised is not None
        await deps.runtime.resume(live.record.supervised)
        announce(deps, deps.registry.put(live, live.record.with_state(status="running")), "unpause")
        monitor(deps, live)
