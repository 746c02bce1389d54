"""``moby.buildkit.v1.Control``: builds as a whole, how they go, and the cache."""

import time
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from pier.api.buildkit import caches
from pier.api.buildkit.building import solve
from pier.api.buildkit.jobs import Job, Jobs
from pier.api.buildkit.proto import control_pb2 as messages
from pier.api.buildkit.proto import gateway_pb2
from pier.api.buildkit.results import refuse_definition
from pier.api.buildkit.rpc import Metadata, Service, replies, unary
from pier.api.buildkit.sessions import Sessions
from pier.api.buildkit.statusreply import status_reply
from pier.api.buildkit.workers import VERSION, worker

if TYPE_CHECKING:
    from pier.api.services import Services


class Control:
    def __init__(self, services: "Services", sessions: Sessions, jobs: Jobs) -> None:
        self._services = services
        self._sessions = sessions
        self._jobs = jobs

    def service(self) -> Service:
        m = messages
        return Service(
            "moby.buildkit.v1.Control",
            {
                "Info": unary(self.info, m.InfoRequest, m.InfoResponse),
                "ListWorkers": unary(self.list_workers, m.ListWorkersRequest, m.ListWorkersResponse),
                "Solve": unary(self.solve, m.SolveRequest, m.SolveResponse),
                "Status": replies(self.status, m.StatusRequest, m.StatusResponse),
                "DiskUsage": unary(self.disk_usage, m.DiskUsageRequest, m.DiskUsageResponse),
                "Prune": replies(self.prune, m.PruneRequest, m.UsageRecord),
                "ListenBuildHistory": replies(self.history, m.BuildHistoryRequest, m.BuildHistoryEvent),
                "UpdateBuildHistory": unary(
                    self.update_history, m.UpdateBuildHistoryRequest, m.UpdateBuildHistoryResponse
                ),
            },
        )

    async def info(self, request: messages.InfoRequest, metadata: Metadata) -> messages.InfoResponse:
        return messages.InfoResponse(buildkitVersion=VERSION)

    async def list_workers(
        self, request: messages.ListWorkersRequest, metadata: Metadata
    ) -> messages.ListWorkersResponse:
        return messages.ListWorkersResponse(record=[await worker(self._services)])

    async def solve(self, request: messages.SolveRequest, metadata: Metadata) -> messages.SolveResponse:
        """Build what the request says, or what the client's own frontend builds over the gateway until it returns."""
        refuse_definition(request.Definition)
        job = self._jobs.begin(request)
        try:
            return messages.SolveResponse(ExporterResponse=await self._answers(job))
        finally:
            await job.stop()
            self._jobs.end(job)

    async def _answers(self, job: Job) -> dict[str, str]:
        if not job.request.Frontend:
            return await job.returned
        request = gateway_pb2.SolveRequest(
            Frontend=job.request.Frontend,
            FrontendOpt=job.request.FrontendAttrs,
            FrontendInputs=job.request.FrontendInputs,
        )
        solved = await solve(self._services, self._sessions, job, request)
        return solved.answers

    async def status(
        self, request: messages.StatusRequest, metadata: Metadata
    ) -> AsyncIterator[messages.StatusResponse]:
        job = await self._jobs.watch(request.Ref)
        async for events in job.feed.batches():
            yield status_reply(events, time.time_ns())

    async def disk_usage(self, request: messages.DiskUsageRequest, metadata: Metadata) -> messages.DiskUsageResponse:
        return messages.DiskUsageResponse(record=await caches.records(self._services.builds, request.filter))

    async def prune(self, request: messages.PruneRequest, metadata: Metadata) -> AsyncIterator[messages.UsageRecord]:
        for record in await caches.prune(self._services.builds, request):
            yield record

    async def history(
        self, request: messages.BuildHistoryRequest, metadata: Metadata
    ) -> AsyncIterator[messages.BuildHistoryEvent]:
        """Builds that have ended are not kept: there is nothing to tell."""
        told: list[messages.BuildHistoryEvent] = []
        for event in told:
            yield event

    async def update_history(
        self, request: messages.UpdateBuildHistoryRequest, metadata: Metadata
    ) -> messages.UpdateBuildHistoryResponse:
        return messages.UpdateBuildHistoryResponse()
