"""``start``: mounts, network and process of a container."""

from pier.containers.deps import Deps
from pier.containers.registry import Live
from pier.containers.state import check_start
from pier.containers.watch import begin


async def start(deps: Deps, reference: str) -> None:
    """Start it. NotModified when it runs already, Conflict when it is paused or being removed.

    Whatever fails is undone; the record keeps the error, and exit code 126, 127 or 128, as Docker's does.
    A container with ``--rm`` that cannot be started is removed.
    """
    deps.runtime.anticipate()
    await deps.background.through(_start(deps, deps.registry.find(reference)))


async def _start(deps: Deps, live: Live) -> None:
    async with live.lock:
        check_start(live.record, live.removing)
        await begin(deps, live)
