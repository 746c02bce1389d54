"""Builds under way, by the references that clients gave them, and what became of each."""

import asyncio
from dataclasses import dataclass, field
from typing import Final

from grpclib.exceptions import GRPCError

from pier.api.buildkit.feed import Feed
from pier.api.buildkit.proto.control_pb2 import SolveRequest
from pier.errors import Conflict, NotFound

_PATIENCE: Final = 3.0


@dataclass(slots=True, eq=False)
class Job:
    """One ``Control.Solve``, until it is answered. ``answers``: the exporters', of what was built so far."""

    request: SolveRequest
    feed: Feed = field(default_factory=Feed)
    answers: dict[str, str] = field(default_factory=dict)
    returned: "asyncio.Future[dict[str, str]]" = field(default_factory=asyncio.Future)
    """What the gateway's client gave back: the exporters' answers, or an error."""

    @property
    def ref(self) -> str:
        return self.request.Ref

    def finish(self, answers: dict[str, str]) -> None:
        if not self.returned.done():
            self.returned.set_result(answers)

    def fail(self, error: GRPCError) -> None:
        if not self.returned.done():
            self.returned.set_exception(error)


class Jobs:
    def __init__(self) -> None:
        self._jobs: dict[str, Job] = {}
        self._arrived: dict[str, asyncio.Event] = {}

    def begin(self, request: SolveRequest) -> Job:
        """Raises Conflict."""
        if request.Ref in self._jobs:
            raise Conflict(f"job ID {request.Ref} exists")
        job = Job(request)
        self._jobs[request.Ref] = job
        if arrived := self._arrived.pop(request.Ref, None):
            arrived.set()
        return job

    def end(self, job: Job) -> None:
        del self._jobs[job.ref]
        job.feed.close()
        job.returned.cancel()

    async def find(self, ref: str) -> Job:
        """Return a job that has begun, or does so in the next three seconds. Raises NotFound."""
        if ref not in self._jobs:
            arrived = self._arrived.setdefault(ref, asyncio.Event())
            try:
                async with asyncio.timeout(_PATIENCE):
                    await arrived.wait()
            except TimeoutError:
                self._arrived.pop(ref, None)
                raise NotFound(f"no such job {ref}") from None
        return self._jobs[ref]
