"""Health checks at work: one task a container that sleeps until its next probe is due.

A probe is an exec of the container's, with its events, that nobody can attach to and no list keeps. The task
begins with the container's start (or its adoption), and ends with it; it rests while the container is paused.
"""

import asyncio
import secrets
import time
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pier.containers import healthstate
from pier.containers.announce import announce
from pier.containers.container import Container
from pier.containers.deps import Deps
from pier.containers.exec import ExecRequest
from pier.containers.execplan import process_of
from pier.containers.healthstate import Check, Health, Result, check_of
from pier.containers.registry import Live
from pier.errors import Conflict, PierError
from pier.linux.trees import remove_tree
from pier.log import Logger
from pier.runtime.runtime import AttachStream, ExitResult, Stdio, Supervised

_KILL: Final = 9
_PATIENCE: Final = 5.0
_log = Logger("pier.containers")


def monitor(deps: Deps, live: Live, *, adopted: bool = False) -> None:
    """Begin to probe a running container, if it has a check: after one interval.

    ``adopted``: it ran before this daemon did, and the wait counts from its last probe. Nothing is done for one that
    is paused: ``unpause`` calls this.
    """
    record = live.record
    check = check_of(record.config)
    if check is None or record.supervised is None or record.state.status != "running":
        return
    if live.monitor is not None:
        live.monitor.cancel()
    wait = healthstate.remaining if adopted else healthstate.interval
    delay = wait(_health(record), check, record.state.started_at, time.time_ns())
    live.monitor = asyncio.get_running_loop().create_task(_monitor(deps, live, record.supervised, check, delay))


async def cease(live: Live) -> None:
    """Stop probing; a probe under way is killed, and has ended on return unless the kernel holds it."""
    task, live.monitor = live.monitor, None
    if task is not None:
        task.cancel()
        await asyncio.wait((task,))


async def _monitor(deps: Deps, live: Live, sup: Supervised, check: Check, delay: int) -> None:
    try:
        while True:
            await asyncio.sleep(delay / healthstate.SECOND)
            result = await probe(deps, live.record, sup, check)
            async with live.lock:
                if live.record.supervised != sup or not deps.runtime.alive(sup):
                    return
                health = _take(deps, live, check, result)
            delay = healthstate.interval(health, check, live.record.state.started_at, time.time_ns())
    except Exception:
        _log.exception("health check ended", container=live.record.id)


def _take(deps: Deps, live: Live, check: Check, result: Result) -> Health:
    """Judge a result. Only what changes the judgement is worth a write: the log alone is kept in memory."""
    before = _health(live.record)
    health = healthstate.judge(before, check, result, live.record.state.started_at)
    record = live.record.with_state(health=health)
    if (health.status, health.failing_streak) == (before.status, before.failing_streak):
        live.record = record
    else:
        deps.registry.put(live, record)
    if health.status != before.status:
        announce(deps, record, f"health_status: {health.status}")
    return health


def _health(record: Container) -> Health:
    return record.state.health or Health()


async def probe(deps: Deps, record: Container, sup: Supervised, check: Check) -> Result:
    """Run the check once, at most for its timeout. Whatever goes wrong is a result."""
    began = time.time_ns()
    try:
        code, output = await _probe(deps, record, sup, check)
    except (PierError, OSError) as error:
        code, output = -1, str(error)
    return Result(began, time.time_ns(), code, output)


async def _probe(deps: Deps, record: Container, sup: Supervised, check: Check) -> tuple[int, str]:
    exec_id, command = secrets.token_hex(32), " ".join(check.command)
    folder = deps.run / "execs" / exec_id
    announce(deps, record, f"exec_create: {command}", execID=exec_id)
    process = await asyncio.to_thread(process_of, deps, record, ExecRequest(cmd=check.command), None)
    announce(deps, record, f"exec_start: {command}", execID=exec_id)
    running = await _launch(deps, record, deps.runtime.exec(sup, exec_id, process, Stdio(), folder))
    output = _Output()
    try:
        async with asyncio.timeout(check.timeout / healthstate.SECOND):
            await output.read(running.stream)
            return (await asyncio.shield(running.ended)).code, output.text
    except TimeoutError:
        await _kill(deps, running)
        return -1, healthstate.timed_out(check, output.text)
    except asyncio.CancelledError:
        await _kill(deps, running)
        raise
    finally:
        running.stream.close()


@dataclass(frozen=True, slots=True)
class _Running:
    """A probe's process. ``ended`` goes on to its end, and clears up, even if nobody waits any more."""

    sup: Supervised
    stream: AttachStream
    ended: asyncio.Future[ExitResult]


async def _launch(
    deps: Deps, record: Container, launch: Coroutine[Any, Any, tuple[Supervised, AttachStream | None]]
) -> _Running:
    """Launch to the end, also when cancelled, and kill then: half-way, a process could be left behind."""
    launching = asyncio.ensure_future(deps.background.through(launch))
    try:
        await asyncio.shield(launching)
    except asyncio.CancelledError:
        await asyncio.wait((launching,), timeout=_PATIENCE)
        if launching.done() and not launching.cancelled() and launching.exception() is None:
            await _kill(deps, _running(deps, record, *launching.result()))
        raise
    return _running(deps, record, *launching.result())


def _running(deps: Deps, record: Container, sup: Supervised, stream: AttachStream | None) -> _Running:
    assert stream is not None
    return _Running(sup, stream, asyncio.ensure_future(deps.background.through(_finish(deps, record, sup))))


async def _finish(deps: Deps, record: Container, sup: Supervised) -> ExitResult:
    result = await deps.runtime.wait(sup)
    announce(deps, record, "exec_die", execID=sup.exec_id or "", exitCode=str(result.code))
    await asyncio.to_thread(remove_tree, Path(sup.directory))
    return result


async def _kill(deps: Deps, running: _Running) -> None:
    """End the probe and what it has started; wait a moment, so that dying probes do not pile up."""
    with suppress(Conflict):
        await deps.runtime.signal(running.sup, _KILL, all=True)
    running.stream.close()  # its supervisor ends only once nobody holds back what it has to say
    if not running.ended.done():
        await asyncio.wait((running.ended,), timeout=_PATIENCE)


class _Output:
    """The beginning of what a probe writes, on both streams, up to 4,096 bytes."""

    def __init__(self) -> None:
        self._kept = bytearray()
        self._cut = False

    async def read(self, stream: AttachStream) -> None:
        """To the end, passing over what is too much, so that the probe is not held back."""
        while (piece := await stream.read()) is not None:
            room = healthstate.OUTPUT_LIMIT - len(self._kept)
            self._cut = self._cut or len(piece[1]) > room
            self._kept += piece[1][:room]
            await asyncio.sleep(0)  # a probe that never stops writing leaves no pause of its own

    @property
    def text(self) -> str:
        return self._kept.decode(errors="replace") + ("..." if self._cut else "")
