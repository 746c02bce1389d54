"""What a new daemon finds of the last one's containers, and how it leaves its own behind."""

import asyncio
from contextlib import suppress

from pier.containers.container import Container
from pier.containers.create import CREATE, undo_creation
from pier.containers.deps import Deps
from pier.containers.forget import REMOVE, finish_removal, forget
from pier.containers.health import cease
from pier.containers.mapped import left
from pier.containers.registry import Live
from pier.containers.restart import starts_with_daemon
from pier.containers.teardown import clean, release
from pier.containers.watch import schedule, watch
from pier.errors import PierError
from pier.linux.trees import remove_tree
from pier.log import Logger

_log = Logger("pier.containers")


async def recover(deps: Deps) -> None:
    """At start-up: adopt the containers that run, deal with those that ended, undo what was half made.

    Call it after ``networks.start()``; it calls ``networks.recover``. Containers whose policy says so are
    started in the background.
    """
    await _settle_journal(deps)
    await _forget_execs(deps)
    supervised = [live for live in deps.registry if live.record.supervised is not None]
    endpoints = {live.record.id: [each.id for each in live.record.endpoints] for live in supervised}
    await deps.networks.recover(endpoints)
    for live in supervised:
        _hold_volumes(deps, live.record)
        watch(deps, live, adopted=True)  # one that has ended meanwhile is told at once: its policy is honoured then
    dead = [live for live in deps.registry if live.record.supervised is None]
    await _clean_strangers(deps, {live.record.id for live in supervised})
    for live in dead:
        await _revive(deps, live)


async def close(deps: Deps) -> None:
    """At shutdown: stop watching, finish what is under way. Containers go on running."""
    await _close_monitors(deps)
    for live in deps.registry:
        for task in (live.supervisor, live.restarter, live.rotation):
            if task is not None:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
    await deps.background.drain()


async def _close_monitors(deps: Deps) -> None:
    """What a health's log has in memory only is stored."""
    monitored = [live for live in deps.registry if live.monitor is not None]
    await asyncio.gather(*(cease(live) for live in monitored))
    for live in monitored:
        if deps.registry.get(live.record.id) is live:
            deps.registry.put(live, live.record)


async def _settle_journal(deps: Deps) -> None:
    for entry in deps.journal.pending("container:"):
        try:
            if entry.kind == CREATE:
                await asyncio.to_thread(undo_creation, deps, entry)
            elif entry.kind == REMOVE:
                await finish_removal(deps, entry)
        except (PierError, OSError) as error:
            _log.warning("recovery", kind=entry.kind, container=entry.key, error=error)


async def _forget_execs(deps: Deps) -> None:
    """The folders of the last daemon's execs; the supervisors of those that still run may write there meanwhile."""
    try:
        await asyncio.to_thread(remove_tree, deps.run / "execs")
    except OSError as error:
        _log.warning("clean-up", folder=deps.run / "execs", error=error)


def _hold_volumes(deps: Deps, record: Container) -> None:
    """The volumes of a running container are in use; this daemon has yet to know."""
    for mount in record.mounts:
        if mount.type == "volume":
            try:
                deps.volumes.acquire(mount.name, record.id)
            except (PierError, OSError) as error:
                _log.warning("volume of a running container", container=record.id, volume=mount.name, error=error)


async def _clean_strangers(deps: Deps, alive: set[str]) -> None:
    """Whatever the runtime, the mounts and the run folder still have of containers that do not run."""
    known = set(await asyncio.to_thread(deps.runtime.known))
    folders = await asyncio.to_thread(_run_folders, deps)
    ours = {live.record.id for live in deps.registry}
    mounted = set(deps.snapshots.rw_snapshots())
    for container_id in (known | folders | left(deps) | (mounted & ours)) - alive:
        try:
            await clean(deps, container_id)
        except (PierError, OSError) as error:
            _log.warning("clean-up", container=container_id, error=error)
    for container_id in mounted - ours:
        await asyncio.to_thread(deps.snapshots.remove_rw, container_id)


def _run_folders(deps: Deps) -> set[str]:
    try:
        return {each.name for each in (deps.run / "containers").iterdir()}
    except FileNotFoundError:
        return set()


async def _revive(deps: Deps, live: Live) -> None:
    """A container that does not run: remove it (``--rm``), or start it again when its policy says so."""
    record = live.record
    async with live.lock:
        if record.endpoints:
            await release(deps, record)
        if record.host_config.auto_remove and record.state.status != "created":
            await forget(deps, live, volumes=True)
            return
        again = record.state.status == "restarting" or (
            record.state.started_at > 0
            and starts_with_daemon(record.host_config.restart_policy, record.stopped_by_user)
        )
        if again:
            deps.registry.put(live, record.replace(endpoints=()).with_state(status="restarting", pid=0))
            schedule(deps, live, 0.0)
