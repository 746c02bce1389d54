"""Builds that nobody wants any more: their job goes, and whichever instance does it notices that."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, Final

import msgspec

from pier.errors import Conflict, PierError
from pier.registry.builds.failed import BuildFailed
from pier.registry.builds.tasks import FAMILY
from pier.registry.model import Job, Run
from pier.registry.records import Records

_CANCELLED: Final = "cancelled"
_LOOK_EVERY: Final = 2.0


async def cancel(records: Records, run: Run, clock: Callable[[], int]) -> Run:
    """Raises Conflict where it has ended, or is no build. One that goes on does so for some seconds."""
    if run.kind != FAMILY:
        raise Conflict(f"the run {run.id} is no build: only those are cancelled")
    if run.state in ("done", "failed"):
        raise Conflict(f"the run {run.id} cannot be cancelled: it has ended")
    ended = msgspec.structs.replace(run, state="failed", ended=clock(), note=_CANCELLED)
    await records.put_run(ended)  # before the job goes: whoever does that says it once more, with the whole log
    await records.end_job(run.id)
    return ended


async def cancel_all(records: Records, name: str, clock: Callable[[], int]) -> list[Run]:
    """Those of one rule that wait or go on."""
    found = [await records.run(run.id) or run for run in await records.runs(FAMILY, name)]
    return [await cancel(records, run, clock) for run in found if run.state not in ("done", "failed")]


async def unless_cancelled(records: Records, job: Job, work: Coroutine[Any, Any, list[str]]) -> list[str]:
    """What ``work`` returns. Raises BuildFailed where the job goes meanwhile, and what ``work`` raises."""
    working = asyncio.create_task(work)
    watching = asyncio.create_task(_until_gone(records, job))
    try:
        await asyncio.wait({working, watching}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise BuildFailed(_CANCELLED)
    finally:
        for task in (working, watching):
            task.cancel()
        await asyncio.gather(working, watching, return_exceptions=True)
    return working.result()


async def _until_gone(records: Records, job: Job) -> None:
    while True:
        await asyncio.sleep(_LOOK_EVERY)
        with suppress(PierError):
            if all(each.id != job.id for each in await records.jobs((job.kind,))):
                return
