"""``kill``: one signal to a container's first process, and making sure that it has ended."""

import asyncio
import signal as signals
from typing import Final

from pier.containers.announce import announce
from pier.containers.deps import Deps
from pier.containers.health import monitor
from pier.containers.registry import Live
from pier.containers.signals import parse_signal, stop_signal
from pier.containers.state import check_alive
from pier.errors import Conflict, Internal, InvalidArgument, NotFound, PierError

KILL: Final = int(signals.SIGKILL)
_PATIENCE: Final = 10.0


async def kill(deps: Deps, reference: str, signal: str = "KILL") -> None:
    """Send a signal by name (with or without ``SIG``) or number; for KILL, return when the container has ended.

    KILL and the container's own stop signal also keep its restart policy from starting it again.
    InvalidArgument ``cannot kill container: x: invalid signal: FOO``, Conflict ``... is not running``.
    """
    try:
        number = parse_signal(signal or "KILL")
        live = deps.registry.find(reference)
        check_alive(await live.known())
        await send(deps, live, number)
    except (InvalidArgument, NotFound, Conflict) as error:
        raise type(error)(f"cannot kill container: {reference}: {error}") from error
    if number == KILL:
        await wait_ended(live, _PATIENCE)


async def send(deps: Deps, live: Live, number: int, *, final: bool = False) -> None:
    """Signal the first process. After a ``final`` signal (KILL and the container's stop signal always are)
    the restart policy rests, and a paused container is thawed so that it can end. Conflict: it has ended."""
    record = live.record
    sup = record.supervised
    if sup is None:
        raise Conflict(f"container {record.id} is not running")
    final = final or number in (KILL, stop_signal(record.config.stop_signal))
    if final:
        async with live.lock:
            mark_stopped(deps, live)
    await deps.runtime.signal(sup, number)
    announce(deps, record, "kill", signal=str(number))
    if final and live.record.state.status == "paused":
        await _thaw(deps, live)


async def finish(deps: Deps, live: Live) -> None:
    """SIGKILL, and wait for the end. Internal when it does not come (a process stuck in the kernel)."""
    try:
        await send(deps, live, KILL)
    except Conflict:
        if live.record.state.alive:
            await deps.runtime.delete(live.record.id, force=True)
    await wait_ended(live, _PATIENCE)


async def wait_ended(live: Live, seconds: float | None) -> None:
    """Until the end has been dealt with: the record is exited, its events are out. Internal after ``seconds``."""
    try:
        async with asyncio.timeout(seconds):
            await live.ended.wait()
    except TimeoutError as error:
        raise Internal(
            f"could not kill container {live.record.id}: tried to kill container, but did not receive an exit event"
        ) from error


def mark_stopped(deps: Deps, live: Live) -> None:
    """Note that the user wants it to end: its policy does not start it again. Under the lock."""
    if not live.record.stopped_by_user and live.record.state.running:
        deps.registry.put(live, live.record.replace(stopped_by_user=True))


async def _thaw(deps: Deps, live: Live) -> None:
    async with live.lock:
        sup = live.record.supervised
        if sup is None or live.record.state.status != "paused":
            return
        try:
            await deps.runtime.resume(sup)
        except PierError:
            return  # it has ended meanwhile
        announce(deps, deps.registry.put(live, live.record.with_state(status="running")), "unpause")
        monitor(deps, live)
