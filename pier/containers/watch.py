"""Starting a process and following it to its end: the state, the events, the waiters, the restart policy."""

import asyncio

from pier.containers.announce import announce
from pier.containers.container import Container
from pier.containers.deps import Deps
from pier.containers.forget import forget
from pier.containers.health import monitor
from pier.containers.healthstate import at_end
from pier.containers.launch import launch
from pier.containers.logs import keep_log_small
from pier.containers.registry import Live
from pier.containers.restart import Ending, restart_delay
from pier.containers.teardown import clean_later, release
from pier.containers.wait import notify
from pier.errors import PierError
from pier.log import Logger
from pier.runtime.runtime import ExitResult, Supervised

_log = Logger("pier.containers")


async def begin(deps: Deps, live: Live, *, by_policy: bool = False) -> None:
    """Start the container and watch over it. Under the lock; raises what stands in the way.

    With ``--rm`` a container that cannot be started is removed.
    """
    try:
        await launch(deps, live, by_policy=by_policy)
    except BaseException:
        notify(live, "not-running")
        if live.record.host_config.auto_remove and not live.removing:
            await forget(deps, live, volumes=True)
        raise
    watch(deps, live)


def watch(deps: Deps, live: Live, *, adopted: bool = False) -> None:
    """Await the process's end in a task, and deal with it; check its health until then."""
    sup = live.record.supervised
    assert sup is not None
    live.ended.clear()
    live.supervisor = asyncio.get_running_loop().create_task(_watch(deps, live, sup))
    monitor(deps, live, adopted=adopted)


async def _watch(deps: Deps, live: Live, sup: Supervised) -> None:
    """Only the waiting is cancelled at shutdown; what follows is awaited."""
    live.rotation = keep_log_small(deps, live.record, sup)
    try:
        result = await deps.runtime.wait(sup)
    finally:
        if live.rotation is not None:
            live.rotation.cancel()
    deps.background.spawn(ended(deps, live, sup, result), "exit", container=live.record.id)


async def ended(deps: Deps, live: Live, sup: Supervised, result: ExitResult) -> None:
    """The log is complete: give back ports, record the end, tell everybody, start again or remove."""
    async with live.lock:
        before = live.record
        if before.supervised != sup:
            return
        delay = _delay(live, result)
        if live.monitor is not None:
            live.monitor.cancel()
        await release(deps, before)
        record = deps.registry.put(live, _ended(before, result, again=delay is not None))
        clean_later(deps, live)
        _announce_end(deps, record, result)
        live.ended.set()
        notify(live, "next-exit")
        if delay is not None:
            schedule(deps, live, delay)
            return
        notify(live, "not-running")
        if record.host_config.auto_remove and not (live.kept or live.removing):
            await forget(deps, live, volumes=True)


def schedule(deps: Deps, live: Live, delay: float) -> None:
    """Start it again after ``delay`` seconds, unless somebody decides otherwise until then."""
    live.restart_delay = delay
    live.restarter = asyncio.get_running_loop().create_task(_later(deps, live, delay))


async def give_up_restart(deps: Deps, live: Live) -> bool:
    """Keep a container that waits to be started again from it: it is exited then. False when it does not wait."""
    async with live.lock:
        if live.record.state.status != "restarting":
            return False
        if live.restarter is not None:
            live.restarter.cancel()
        deps.registry.put(live, live.record.replace(stopped_by_user=True).with_state(status="exited"))
        notify(live, "not-running")
        return True


async def _later(deps: Deps, live: Live, delay: float) -> None:
    await asyncio.sleep(delay)
    deps.background.spawn(_again(deps, live), "restart", container=live.record.id)


async def _again(deps: Deps, live: Live) -> None:
    async with live.lock:
        if live.record.state.status != "restarting" or live.removing:
            return
        try:
            await begin(deps, live, by_policy=True)
        except PierError as error:
            _log.warning("cannot restart", container=live.record.id, error=error)


def _delay(live: Live, result: ExitResult) -> float | None:
    if live.removing or live.kept:
        return None
    record = live.record
    ending = Ending(
        exit_code=result.code,
        stopped_by_user=record.stopped_by_user,
        restarts=record.restart_count,
        ran_for=(result.finished_at - record.state.started_at) / 1e9,
        last_delay=live.restart_delay,
    )
    return restart_delay(record.host_config.restart_policy, ending)


def _ended(record: Container, result: ExitResult, again: bool) -> Container:
    return record.replace(supervised=None, endpoints=()).with_state(
        status="restarting" if again else "exited",
        pid=0,
        exit_code=result.code,
        oom_killed=result.oom_killed,
        finished_at=max(result.finished_at, record.state.started_at),  # it may end before its start is known
        health=at_end(record.state.health),
    )


def _announce_end(deps: Deps, record: Container, result: ExitResult) -> None:
    seconds = max(0, result.finished_at - record.state.started_at) // 1_000_000_000
    if result.oom_killed:
        announce(deps, record, "oom")
    announce(deps, record, "die", exitCode=str(result.code), execDuration=str(seconds))
