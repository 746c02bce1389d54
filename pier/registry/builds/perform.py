"""Builds: of each rule one at a time, told to an engine, which pushes here what it has built."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Final, Literal

import msgspec

from pier.errors import PierError
from pier.log import Logger
from pier.registry.builds.cancel import unless_cancelled
from pier.registry.builds.failed import BuildFailed
from pier.registry.builds.making import Making
from pier.registry.builds.rooms import sweep
from pier.registry.builds.runlog import RunLog
from pier.registry.builds.tasks import FAMILY, alone, is_old, replaced, run_of, task_of
from pier.registry.builds.tokens import Tokens
from pier.registry.deps import Registry
from pier.registry.jobs import Kind, Worker
from pier.registry.model import Job, Run
from pier.registry.settings import Build
from pier.registry.threads import hop

_ATTEMPTS: Final = 8
_LONGEST_PAUSE: Final = 300
_NOTED_EVERY: Final = 2.0
_ANOTHER: Final = 24 * 3600.0
_STOPPED: Final = "the registry was stopped; it is built again"
_LONGEST_NOTE: Final = 1000
_log: Final = Logger("pier.registry")


class Builds:
    """``run`` has to run."""

    def __init__(self, registry: Registry, tokens: Tokens) -> None:
        self._registry = registry
        self._tokens = tokens
        self._worker = Worker(registry, FAMILY, {rule.name: self._kind(rule) for rule in registry.settings.build})

    async def run(self) -> None:
        """Until cancelled. First what a process that was killed has left is removed."""
        with suppress(OSError):
            await hop(None, sweep, Path(self._registry.settings.root))
        await self._worker.run()

    def _kind(self, rule: Build) -> Kind:
        perform, give_up = partial(self._perform, rule), partial(self._give_up, rule)
        return Kind(perform, attempts=_ATTEMPTS, longest_pause=_LONGEST_PAUSE, give_up=give_up)

    async def _perform(self, rule: Build, job: Job) -> None:
        """Raises Unavailable where it may go well another time: the engine does not answer."""
        records = self._registry.records
        async with alone(records, f"{FAMILY}/{rule.name}", self._registry.now, _ANOTHER):
            run = await records.run(job.id) or run_of(rule, job)
            if run.state in ("done", "failed"):
                return
            if await is_old(records, run):
                await records.put_run(replaced(run, self._registry.now()))
                return
            await self._attempt(rule, job, run)

    async def _attempt(self, rule: Build, job: Job, run: Run) -> None:
        log = RunLog()
        run = msgspec.structs.replace(run, state="running", started=self._registry.now(), note="")
        _log.info("a build begins", name=rule.name, subject=run.subject, run=run.id)
        try:
            async with self._noting(run, log), asyncio.timeout(rule.timeout):
                making = Making(self._registry, rule, run.id, self._tokens, log.add)
                names = await unless_cancelled(self._registry.records, job, making.make(task_of(job)))
        except BuildFailed as error:
            await self._end(run, log, "failed", error.message)
        except TimeoutError:
            await self._end(run, log, "failed", f"it took longer than {rule.timeout} s")
        except asyncio.CancelledError:
            with suppress(PierError):
                await self._end(run, log, "queued", _STOPPED)
            raise
        except PierError as error:
            await self._end(run, log, "queued", error.message)
            raise
        else:
            await self._end(run, log, "done", f"pushed {', '.join(names)}")

    async def _end(self, run: Run, log: RunLog, state: Literal["queued", "done", "failed"], note: str) -> None:
        ended = 0 if state == "queued" else self._registry.now()
        run = msgspec.structs.replace(run, state=state, ended=ended, note=_fitting(note), log=log.text())
        await self._registry.records.put_run(run)
        _log.info("a build ended", name=run.name, subject=run.subject, run=run.id, state=state, note=note)

    @asynccontextmanager
    async def _noting(self, run: Run, log: RunLog) -> AsyncIterator[None]:
        """Whoever looks sees how far it is."""
        await self._registry.records.put_run(run)
        noting = asyncio.create_task(self._note(run, log))
        try:
            yield
        finally:
            noting.cancel()
            await asyncio.gather(noting, return_exceptions=True)

    async def _note(self, run: Run, log: RunLog) -> None:
        while True:
            await asyncio.sleep(_NOTED_EVERY)
            if log.changed:
                with suppress(PierError):
                    await self._registry.records.put_run(msgspec.structs.replace(run, log=log.text()))

    async def _give_up(self, rule: Build, job: Job, error: str) -> None:
        run = await self._registry.records.run(job.id) or run_of(rule, job)
        now = self._registry.now()
        await self._registry.records.put_run(msgspec.structs.replace(run, state="failed", ended=now, note=error))


def _fitting(note: str) -> str:
    """What an engine says may be long, and no text that a database takes."""
    return note[-_LONGEST_NOTE:].replace("\0", "").encode(errors="replace").decode()
