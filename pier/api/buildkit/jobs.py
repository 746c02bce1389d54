"""Builds under way, by the references that clients gave them, and what became of each."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from grpclib.exceptions import GRPCError

from pier.api.buildkit.feed import Feed
from pier.api.buildkit.proto.control_pb2 import SolveRequest
from pier.errors import Cancelled, Conflict, NotFound

_PATIENCE: Final = 3.0
_REMEMBERED: Final = 32

T = TypeVar("T")


@dataclass(slots=True, eq=False)
class Job:
    """One ``Control.Solve``, until it is answered. ``answers``: the exporters', of what was built so far."""

    request: SolveRequest
    feed: Feed = field(default_factory=Feed)
    answers: dict[str, str] = field(default_factory=dict)
    returned: "asyncio.Future[dict[str, str]]" = field(default_factory=asyncio.Future)
    """What the gateway's client gave back: the exporters' answers, or an error."""

    building: "set[asyncio.Task[Any]]" = field(default_factory=set)

    @property
    def ref(self) -> str:
        return self.request.Ref

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Do ``work``, which ends with the job at the latest. Raises Cancelled when it is ended."""
        task = asyncio.create_task(work)
        self.building.add(task)
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError:
            task.cancel()
            await asyncio.wait([task])
            raise
        finally:
            self.building.discard(task)
        if task.cancelled():
            raise Cancelled("context canceled")
        return task.result()

    async def stop(self) -> None:
        """End what is still built, and wait until it has told of its end."""
        for task in self.building:
            task.cancel()
        if self.building:
            await asyncio.wait(self.building)

    def finish(self, answers: dict[str, str]) -> None:
        if not self.returned.done():
            self.returned.set_result(answers)

    def fail(self, error: GRPCError) -> None:
        if not self.returned.done():
            self.returned.set_exception(error)


class Jobs:
    def __init__(self) -> None:
        self._jobs: dict[str, Job] = {}
        self._ended: dict[str, Job] = {}
        self._arrived: dict[str, asyncio.Event] = {}

    def begin(self, request: SolveRequest) -> Job:
        """Raises Conflict."""
        if request.Ref in self._jobs:
            raise Conflict(f"job ID {request.Ref} exists")
        job = Job(request)
        self._jobs[request.Ref] = job
        self._ended.pop(request.Ref, None)
        if arrived := self._arrived.pop(request.Ref, None):
            arrived.set()
        return job

    def end(self, job: Job) -> None:
        del self._jobs[job.ref]
        self._ended[job.ref] = job
        if len(self._ended) > _REMEMBERED:
            del self._ended[next(iter(self._ended))]
        job.feed.close()
        if not job.returned.cancel() and not job.returned.cancelled():
            job.returned.exception()  # whoever was to be told may have gone

    async def watch(self, ref: str) -> Job:
        """Like ``find``; or one of those that ended last: a short build is over before its client asks about it."""
        return self._ended.get(ref) or await self.find(ref)

    async def find(self, ref: str) -> Job:
        """Return a job that has begun, or does so in the next three seconds. Raises NotFound."""
        if ref not in self._jobs:
            arrived = self._arrived.setdefault(ref, asyncio.Event())
            try:
                async with asyncio.timeout(_PATIENCE):
                    await arrived.wait()
            except TimeoutError:
                self._arrived.pop(ref, None)
        found = self._jobs.get(ref) or self._ended.get(ref)
        if found is None:
            raise NotFound(f"no such job {ref}")
        return found
