"""One solve: the Dockerfile frontend's request, built, and what the client is told of the result."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from grpclib.const import Status
from grpclib.exceptions import GRPCError

from pier.api.buildkit.asking import REQUEST, answer
from pier.api.buildkit.clientsession import ClientSession
from pier.api.buildkit.failures import status_error
from pier.api.buildkit.frontend import build_request
from pier.api.buildkit.jobs import Job
from pier.api.buildkit.proto import gateway_pb2
from pier.api.buildkit.results import Result
from pier.api.buildkit.sessions import Sessions
from pier.api.buildkit.subrequests import Answer
from pier.build.build import build
from pier.build.deps import Build
from pier.errors import Cancelled, PierError
from pier.images.lookup import find
from pier.oci.digest import Digest
from pier.oci.platform import Platform

if TYPE_CHECKING:
    from pier.api.services import Services


@dataclass(frozen=True, slots=True)
class Solved:
    """``answers``: the exporters', for the client; ``message``: the result, which it may hand to other builds."""

    answers: dict[str, str]
    message: gateway_pb2.Result


async def solve(services: "Services", sessions: Sessions, job: Job, request: gateway_pb2.SolveRequest) -> Solved:
    """Build and export. Raises GRPCError; cancelled, nothing is left running."""
    try:
        wanted = build_request(job.request, request)
        attached = await sessions.find(job.request.Session)
        session = ClientSession(attached, services.builds, wanted)
        if asked := request.FrontendOpt.get(REQUEST, ""):
            asking = Build(services.builds, wanted, session, job.feed.publish)
            return _told(await job.run(answer(asking, asked)))
        built = await job.run(build(services.builds, wanted, session, job.feed.publish))
    except PierError as error:
        told = status_error(error)
        # Clients put any other code before the text, and BuildKit's failures of builds have none.
        code = Status.CANCELLED if isinstance(error, Cancelled) else Status.UNKNOWN
        raise GRPCError(code, told.message, told.details) from error
    answers = {**built.metadata, **session.answers}
    job.answers.update(answers)
    return Solved(answers, _result(services, job, built.images))


def _told(answer: Answer) -> Solved:
    message = gateway_pb2.Result()
    message.metadata.update(answer)
    return Solved({}, message)


def _result(services: "Services", job: Job, images: tuple[Digest, ...]) -> gateway_pb2.Result:
    found = {}
    for image_id in images:
        config = find(services.images, image_id).config
        platform = Platform(config.architecture, config.os, "", config.variant)
        found[str(platform)] = (image_id, services.images.content.read(image_id))
    return Result(job.ref, found).to_message() if found else gateway_pb2.Result()
