"""Builds by reference: whoever asks about one too early waits, and who asks too late is told what there was."""

import asyncio

from pier.api.buildkit.jobs import Jobs
from pier.api.buildkit.proto.control_pb2 import SolveRequest
from pier.build.progress import VertexState


async def test_a_build_is_watched_that_begins_later() -> None:
    jobs = Jobs()
    watching = asyncio.create_task(jobs.watch("one"))
    await asyncio.sleep(0)
    job = jobs.begin(SolveRequest(Ref="one"))
    assert await watching is job


async def test_a_build_that_is_over_is_still_told_of() -> None:
    jobs = Jobs()
    job = jobs.begin(SolveRequest(Ref="one"))
    job.feed.publish(VertexState("v", "step"))
    jobs.end(job)
    told = [event async for batch in (await jobs.watch("one")).feed.batches() for event in batch]
    assert [event.name for event in told if isinstance(event, VertexState)] == ["step"]


async def test_a_build_that_began_and_ended_at_once_is_found_by_who_waited() -> None:
    jobs = Jobs()
    watching = asyncio.create_task(jobs.watch("one"))
    await asyncio.sleep(0)
    job = jobs.begin(SolveRequest(Ref="one"))
    jobs.end(job)
    assert await watching is job
