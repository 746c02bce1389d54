"""Who does the jobs: of each kind some at once, again after a failure, and never two instances one.

A job belongs to whoever took it for ``job_lease`` seconds, which are renewed while it goes on; an instance that dies
gives it up by that. Kinds are queues: what is slow in one keeps nothing of another waiting.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from pier.errors import PierError
from pier.log import Logger
from pier.registry.deps import Registry
from pier.registry.model import Job
from pier.registry.threads import settled

_POLL: Final = 1.0
_STOPPED: Final = "the registry was stopped"
_log: Final = Logger("pier.registry")


@dataclass(frozen=True, slots=True)
class Kind:
    """``perform`` does a job, or raises why not; it may be cancelled at any time, and be asked for the same job again.

    ``at_once``: so many in this instance. A job that failed is tried again after 2, 4, 8... seconds, at most
    ``longest_pause``, until it has failed ``attempts`` times. ``give_up`` is told then.
    """

    perform: Callable[[Job], Awaitable[None]]
    at_once: int = 1
    attempts: int = 15
    longest_pause: int = 3600
    give_up: Callable[[Job, str], Awaitable[None]] | None = None


class Worker:
    """``family`` is what the kinds' names begin with, before a slash. One a family and process; not for two tasks."""

    def __init__(self, registry: Registry, family: str, kinds: Mapping[str, Kind]) -> None:
        self._registry = registry
        self._lease = registry.settings.job_lease
        self._family = family
        self._kinds = {f"{family}/{name}": kind for name, kind in kinds.items()}
        self._going: dict[asyncio.Task[None], str] = {}
        self._room = asyncio.Event()

    async def run(self) -> None:
        """Until cancelled; what is going on then is given back."""
        try:
            await self._tried(self._end_strangers)
            while True:
                self._room.clear()
                await self._tried(self._take_all)
                with suppress(TimeoutError):
                    async with asyncio.timeout(_POLL):
                        await self._room.wait()
        finally:
            for task in self._going:
                task.cancel()
            await asyncio.gather(*self._going, return_exceptions=True)

    async def _tried(self, work: Callable[[], Awaitable[None]]) -> None:
        """It may fail in any way: whoever does jobs goes on, since nobody would begin again."""
        try:
            await work()
        except PierError as error:
            _log.warning("jobs cannot be taken", family=self._family, reason=error.message)
        except Exception:
            _log.exception("jobs cannot be taken", family=self._family)

    async def _take_all(self) -> None:
        while await self._take():
            pass

    async def _end_strangers(self) -> None:
        """Jobs of what is not in the settings any more."""
        for job in await self._registry.records.jobs():
            if job.kind.partition("/")[0] == self._family and job.kind not in self._kinds:
                await self._registry.records.end_job(job.id)

    async def _take(self) -> bool:
        """Begin one job, if there is one that may."""
        busy = list(self._going.values())
        free = tuple(name for name, kind in self._kinds.items() if busy.count(name) < kind.at_once)
        job = await self._taken(free) if free else None
        if job is not None:
            task = asyncio.create_task(self._work(job), name=job.kind)
            self._going[task] = job.kind
            task.add_done_callback(self._ended)
        return job is not None

    async def _taken(self, kinds: tuple[str, ...]) -> Job | None:
        """Where we are cancelled meanwhile, what was taken is given back."""
        records, now = self._registry.records, self._registry.now()
        taking = asyncio.ensure_future(records.take_job(kinds, now, now + self._lease))
        try:
            return await settled(taking)
        except asyncio.CancelledError:
            job = None if taking.cancelled() or taking.exception() else taking.result()
            if job is not None:
                await self._give_back(job)
            raise

    async def _give_back(self, job: Job) -> None:
        """Whoever starts next need not wait for our time to end."""
        with suppress(PierError):
            await self._registry.records.put_off_job(job.id, self._registry.now(), _STOPPED)

    def _ended(self, task: asyncio.Task[None]) -> None:
        del self._going[task]
        self._room.set()
        if not task.cancelled() and (error := task.exception()):
            _log.warning("a job's end is not noted; it will be done again", kind=task.get_name(), reason=str(error))

    async def _work(self, job: Job) -> None:
        records = self._registry.records
        try:
            error = await self._performed(job)
        except asyncio.CancelledError:
            await self._give_back(job)
            raise
        if not error:
            await records.end_job(job.id)
        elif job.attempts + 1 < self._kinds[job.kind].attempts:
            pause = min(2 ** (job.attempts + 1), self._kinds[job.kind].longest_pause)
            await records.put_off_job(job.id, self._registry.now() + pause, error)
        else:
            await self._given_up(job, error)

    async def _performed(self, job: Job) -> str:
        """Why it failed; empty where it did not."""
        renewing = asyncio.create_task(self._renew(job))
        try:
            await self._kinds[job.kind].perform(job)
        except PierError as error:
            return error.message or type(error).__name__
        except Exception as error:
            _log.exception("a job failed", kind=job.kind)
            return f"internal error: {error}"
        finally:
            renewing.cancel()
            await asyncio.gather(renewing, return_exceptions=True)
        return ""

    async def _renew(self, job: Job) -> None:
        """What fails is tried again: another instance would begin the same."""
        while True:
            await asyncio.sleep(self._lease / 3)
            try:
                await self._registry.records.put_off_job(job.id, self._registry.now() + self._lease, job.last_error)
            except Exception as error:
                _log.warning("a job's time cannot be renewed", kind=job.kind, reason=str(error))

    async def _given_up(self, job: Job, error: str) -> None:
        _log.warning("a job was given up", kind=job.kind, attempts=job.attempts + 1, reason=error)
        give_up = self._kinds[job.kind].give_up
        if give_up is not None:
            await give_up(job, error)
        await self._registry.records.end_job(job.id)
