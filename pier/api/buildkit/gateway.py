"""``moby.buildkit.v1.frontend.LLBBridge``: what a client's own frontend asks for inside its build.

buildx brings no frontend: it asks for one solve with ``dockerfile.v0`` and returns what came of it.
"""

from typing import TYPE_CHECKING, Final

from pier.api.buildkit.building import solve
from pier.api.buildkit.failures import returned_error
from pier.api.buildkit.jobs import Job, Jobs
from pier.api.buildkit.proto import gateway_pb2 as messages
from pier.api.buildkit.results import refuse_definition
from pier.api.buildkit.rpc import Metadata, Service, unary
from pier.api.buildkit.sessions import Sessions
from pier.api.buildkit.workers import worker
from pier.errors import InvalidArgument

if TYPE_CHECKING:
    from pier.api.services import Services

_BUILD: Final = "buildkit-controlapi-buildid"
_FRONTEND_CAPABILITIES: Final = (
    "solve.base", "solve.inlinereturn", "return", "returnmap", "proto.refarray", "reference.output",
    "frontend.inputs", "frontend.caps", "importcaches", "gateway.solve.metadata", "gateway.solve.evaluate",
    "gateway.evaluate", "gateway.warnings",
)  # fmt: skip
_BUILD_CAPABILITIES: Final = (
    "source.image", "source.image.resolvemode", "source.local", "source.local.unique", "source.local.sessionid",
    "source.local.includepatterns", "source.local.followpaths", "source.local.excludepatterns",
    "source.local.sharedkeyhint", "source.git", "source.git.keepgitdir", "source.git.fullurl", "source.git.subdir",
    "source.http", "source.http.checksum", "file.base", "constraints", "platform", "meta.ignorecache",
    "meta.description", "meta.exportcache", "exporter.sourcedateepoch", "exporter.multiple",
    "exporter.image.annotations",
)  # fmt: skip


class Gateway:
    def __init__(self, services: "Services", sessions: Sessions, jobs: Jobs) -> None:
        self._services = services
        self._sessions = sessions
        self._jobs = jobs

    def service(self) -> Service:
        m = messages
        return Service(
            "moby.buildkit.v1.frontend.LLBBridge",
            {
                "Ping": unary(self.ping, m.PingRequest, m.PongResponse),
                "Solve": unary(self.solve, m.SolveRequest, m.SolveResponse),
                "Evaluate": unary(self.evaluate, m.EvaluateRequest, m.EvaluateResponse),
                "Return": unary(self.return_, m.ReturnRequest, m.ReturnResponse),
                "Inputs": unary(self.inputs, m.InputsRequest, m.InputsResponse),
                "Warn": unary(self.warn, m.WarnRequest, m.WarnResponse),
            },
        )

    async def _job(self, metadata: Metadata) -> Job:
        ref = metadata.get(_BUILD, "")
        if not ref:
            raise InvalidArgument("no buildid found in context")
        return await self._jobs.find(ref)

    async def ping(self, request: messages.PingRequest, metadata: Metadata) -> messages.PongResponse:
        await self._job(metadata)
        return messages.PongResponse(
            FrontendAPICaps=[messages.APICap(ID=name, Enabled=True) for name in _FRONTEND_CAPABILITIES],
            LLBCaps=[messages.APICap(ID=name, Enabled=True) for name in _BUILD_CAPABILITIES],
            Workers=[await worker(self._services)],
        )

    async def solve(self, request: messages.SolveRequest, metadata: Metadata) -> messages.SolveResponse:
        refuse_definition(request.Definition)
        job = await self._job(metadata)
        if not request.Frontend:
            return messages.SolveResponse(result=messages.Result())
        solved = await solve(self._services, self._sessions, job, request)
        return messages.SolveResponse(result=solved.message)

    async def evaluate(self, request: messages.EvaluateRequest, metadata: Metadata) -> messages.EvaluateResponse:
        """A result is whole when ``solve`` has returned it."""
        await self._job(metadata)
        return messages.EvaluateResponse()

    async def return_(self, request: messages.ReturnRequest, metadata: Metadata) -> messages.ReturnResponse:
        job = await self._job(metadata)
        if request.HasField("error"):
            job.fail(returned_error(request.error))
        else:
            job.finish(job.answers)
        return messages.ReturnResponse()

    async def inputs(self, request: messages.InputsRequest, metadata: Metadata) -> messages.InputsResponse:
        job = await self._job(metadata)
        return messages.InputsResponse(Definitions=job.request.FrontendInputs)

    async def warn(self, request: messages.WarnRequest, metadata: Metadata) -> messages.WarnResponse:
        await self._job(metadata)
        return messages.WarnResponse()
