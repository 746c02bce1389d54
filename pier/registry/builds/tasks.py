"""What is to be built: a job that the instances share, and the run that people look at."""

import asyncio
import hashlib
import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence, Set
from contextlib import asynccontextmanager, suppress
from typing import Final

import msgspec

from pier.errors import PierError, Unavailable
from pier.registry.builds.payload import Push
from pier.registry.model import Job, Run
from pier.registry.records import Records
from pier.registry.settings import Build

FAMILY: Final = "build"
_REPLACED: Final = "nothing built: there is a newer push"
_DELIVERIES: Final = 100
_LOCKED: Final = 20
_PATIENCE: Final = 15.0
_LOOK_AGAIN: Final = 0.05
_AT_LEAST_EVERY: Final = 1.0


class Task(msgspec.Struct, frozen=True):
    """A job's detail. An empty ``commit``: whatever ``ref`` is at by then."""

    ref: str
    commit: str


def kind_of(rule: Build) -> str:
    return f"{FAMILY}/{rule.name}"


def task_of(job: Job) -> Task:
    return msgspec.json.decode(job.detail, type=Task)


def run_of(rule: Build, job: Job) -> Run:
    return Run(id=job.id, kind=FAMILY, name=rule.name, subject=_subject(task_of(job)), created=job.created)


async def begin(records: Records, rule: Build, push: Push, clock: Callable[[], int]) -> Run:
    """Have it built, by whichever instance comes to it; or the run that the same delivery has begun before.

    Pushes of the same ref that wait are not built any more. A delivery whose build has failed may come once more,
    unless the ref was pushed since: that would take back what was built of it.
    """
    async with alone(records, f"{FAMILY}/{rule.name}/begin", clock):
        runs = await records.runs(FAMILY, rule.name, _DELIVERIES)
        jobs = await records.jobs((kind_of(rule),))
        known = _known(push, runs, {job.id for job in jobs})
        if known is not None:
            return known
        job = _job(rule, push, clock())
        run = run_of(rule, job)
        await records.put_run(run)
        await records.add_job(job)
        queued = {each.id: each for each in runs if each.state == "queued"}
        for old in jobs:
            if old.id in queued and task_of(old).ref == push.ref:
                await records.end_job(old.id)
                await records.put_run(replaced(queued[old.id], clock()))
        return run


def _known(push: Push, runs: Sequence[Run], waiting: Set[str]) -> Run | None:
    """What the same delivery has begun before, where that is not to be begun once more. ``runs``: the newest first."""
    run = next((run for run in runs if push.mark and run.id.endswith(push.mark)), None)
    if run is None:
        return None
    lost = run.state == "queued" and run.id not in waiting
    return None if lost or (run.state == "failed" and not _overtaken(run, runs)) else run


def replaced(run: Run, now: int) -> Run:
    return msgspec.structs.replace(run, state="done", ended=now, note=_REPLACED)


async def is_old(records: Records, run: Run) -> bool:
    """Whether the same ref was pushed again: another attempt would take back what was built of that."""
    return _overtaken(run, await records.runs(FAMILY, run.name, _DELIVERIES))


def _overtaken(run: Run, runs: Iterable[Run]) -> bool:
    ref = run.subject.partition("@")[0]
    return any(each.subject.partition("@")[0] == ref and each.id > run.id for each in runs)


def _subject(task: Task) -> str:
    return f"{task.ref}@{task.commit}" if task.commit else task.ref


def _job(rule: Build, push: Push, now: int) -> Job:
    """Later pushes have later IDs."""
    mark = push.mark or hashlib.sha256(secrets.token_bytes(16)).hexdigest()[:19]
    id = f"{time.time_ns() // 1000:013x}{mark}"
    detail = msgspec.json.encode(Task(push.ref, push.commit))
    return Job(id=id, kind=kind_of(rule), detail=detail, due=now, created=now)


@asynccontextmanager
async def alone(
    records: Records, name: str, clock: Callable[[], int], patience: float = _PATIENCE
) -> AsyncIterator[None]:
    """Be the only one of all instances that does ``name``. Raises Unavailable where others do for too long."""
    holder = secrets.token_hex(8)
    deadline, pause = time.monotonic() + patience, _LOOK_AGAIN
    while not await records.lock(name, holder, clock(), clock() + _LOCKED):
        if time.monotonic() > deadline:
            raise Unavailable("another instance is busy with it")
        await asyncio.sleep(pause)
        pause = min(2 * pause, _AT_LEAST_EVERY)
    renewing = asyncio.create_task(_renew(records, name, holder, clock))
    try:
        yield
    finally:
        renewing.cancel()
        await asyncio.gather(renewing, return_exceptions=True)
        with suppress(PierError):
            await records.lock(name, holder, clock(), 0)


async def _renew(records: Records, name: str, holder: str, clock: Callable[[], int]) -> None:
    while True:
        await asyncio.sleep(_LOCKED / 4)
        with suppress(PierError):
            await records.lock(name, holder, clock(), clock() + _LOCKED)
