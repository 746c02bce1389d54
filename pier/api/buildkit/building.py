"""One solve: the Dockerfile frontend's request, built, and what the client is told of the result."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pier.api.buildkit.clientsession import ClientSession
from pier.api.buildkit.frontend import build_request
from pier.api.buildkit.jobs import Job
from pier.api.buildkit.proto import gateway_pb2
from pier.api.buildkit.results import Result
from pier.api.buildkit.sessions import Sessions
from pier.build.deps import Deps
from pier.errors import Unsupported
from pier.images.lookup import find
from pier.oci.digest import Digest

if TYPE_CHECKING:
    from pier.api.services import Services


@dataclass(frozen=True, slots=True)
class Solved:
    """``answers``: the exporters', for the client; ``message``: the result, which it may hand to other builds."""

    answers: dict[str, str]
    message: gateway_pb2.Result


async def solve(services: "Services", sessions: Sessions, job: Job, request: gateway_pb2.SolveRequest) -> Solved:
    """Build and export. Raises PierError; cancelled, nothing is left running."""
    wanted = build_request(job.request, request)
    if services is not None:
        raise Unsupported("building images is not supported yet")
    deps = services.builds
    session = ClientSession(await sessions.find(job.request.Session), deps, wanted)
    built = await deps.build(deps, wanted, session, job.feed.publish)
    job.answers.update(built.metadata)
    job.images += built.images
    return Solved(built.metadata, _result(deps, job, built.images))


def _result(deps: Deps, job: Job, images: tuple[Digest, ...]) -> gateway_pb2.Result:
    found = {}
    for image_id in images:
        image = find(deps.images, image_id)
        found[str(image.config.architecture)] = (image_id, deps.images.content.read(image_id))
    return Result(job.ref, found).to_message() if found else gateway_pb2.Result()
