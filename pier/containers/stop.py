"""``stop``, ``restart``: asking a container to end, and insisting."""

import asyncio
from typing import Final

from pier.containers.announce import announce
from pier.containers.deps import Deps
from pier.containers.kill import finish, send
from pier.containers.registry import Live
from pier.containers.signals import parse_signal, stop_signal
from pier.containers.state import check_start
from pier.containers.watch import begin, give_up_restart
from pier.errors import Conflict, NotModified

DEFAULT_TIMEOUT: Final = 10


async def stop(deps: Deps, reference: str, timeout: int | None = None, signal: str = "") -> None:
    """Send ``signal`` (default: the container's own, else SIGTERM), after ``timeout`` seconds SIGKILL.

    ``timeout`` None: the container's own, else 10; -1 waits for ever. NotModified when it is not running.
    Returns when the container is exited. It is not started again by its restart policy.
    """
    number = parse_signal(signal) if signal else None
    live = deps.registry.find(reference)
    if not live.record.state.running:
        raise NotModified(f"container {live.record.id} is already stopped")
    await end(deps, live, timeout, number)
    announce(deps, live.record, "stop")


async def restart(deps: Deps, reference: str, timeout: int | None = None, signal: str = "") -> None:
    """Stop it when it runs, then start it."""
    number = parse_signal(signal) if signal else None
    await deps.background.through(_restart(deps, deps.registry.find(reference), timeout, number))


async def _restart(deps: Deps, live: Live, timeout: int | None, number: int | None) -> None:
    live.kept = True
    try:
        if live.record.state.running:
            await end(deps, live, timeout, number)
            announce(deps, live.record, "stop")
        async with live.lock:
            check_start(live.record, live.removing)
            await begin(deps, live)
    finally:
        live.kept = False
    announce(deps, live.record, "restart")


async def end(deps: Deps, live: Live, timeout: int | None, signal: int | None) -> None:
    """Bring a running (paused, restarting) container to its end; returns when that has been dealt with."""
    if await give_up_restart(deps, live):
        return
    config = live.record.config
    if timeout is None:
        timeout = DEFAULT_TIMEOUT if config.stop_timeout is None else config.stop_timeout
    try:
        await send(deps, live, stop_signal(config.stop_signal) if signal is None else signal, final=True)
    except Conflict:
        if live.ended.is_set():
            return
    try:
        async with asyncio.timeout(timeout if timeout >= 0 else None):
            await live.ended.wait()
    except TimeoutError:
        await finish(deps, live)
