"""``POST /build`` and ``/build/cancel``: the classic builder's endpoints, for clients that do not speak gRPC."""

import asyncio
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from aiohttp import web

from pier.api.call import Call
from pier.api.classic.narrator import Narrator
from pier.api.classic.request import read_request
from pier.api.classic.session import ClassicSession
from pier.api.messages import Progress, run_with_progress
from pier.api.replies import empty
from pier.api.routing import Route
from pier.api.services import Services
from pier.build.build import Built, build
from pier.build.failures import BuildFailed
from pier.errors import Cancelled, InvalidArgument

_NO_DOCKERFILE: Final = re.compile(r"\Afailed to read dockerfile: open (.*): no such file or directory\Z", re.DOTALL)

Running = dict[str, asyncio.Task[Built]]


async def build_image(call: Call) -> web.StreamResponse:
    request = read_request(call)
    session = ClassicSession(call)

    async def work(report: Progress) -> None:
        removes = not call.text("rm") or call.flag("rm")
        narrator = Narrator(request, report, quiet=call.flag("q"), removes=removes)
        job = asyncio.ensure_future(build(call.services.builds, request, session, narrator.tell, narrator.parsed))
        try:
            with _cancellable(call.services, request.id, job):
                narrator.succeeded((await _result(job)).images)
        except BuildFailed as error:
            if not narrator.failed(error):
                raise InvalidArgument(
                    _NO_DOCKERFILE.sub(r"Cannot locate specified Dockerfile: \1", error.reason)
                ) from error
        finally:
            await session.close()

    return await run_with_progress(call, work)


async def _result(job: asyncio.Task[Built]) -> Built:
    """Wait; whoever is cancelled meanwhile cancels the build. Cancelled: ``/build/cancel`` did."""
    try:
        return await asyncio.shield(job)
    except asyncio.CancelledError:
        ours = asyncio.current_task()
        if not job.cancelled() and not job.cancelling():
            job.cancel()
        await asyncio.wait([job])
        if ours is not None and ours.cancelling():
            raise
        raise Cancelled("context canceled") from None


@contextmanager
def _cancellable(services: Services, id: str, job: asyncio.Task[Built]) -> Iterator[None]:
    running = _running(services)
    running[id] = job
    try:
        yield
    finally:
        if running.get(id) is job:
            del running[id]


def _running(services: Services) -> Running:
    running = services.shared.setdefault("classic builds", {})
    if not isinstance(running, dict):
        raise TypeError("the builds under way are a dictionary")
    return running


async def cancel_build(call: Call) -> web.Response:
    """One that is not there, or not any more, is no error."""
    id = call.text("id")
    if not id:
        raise InvalidArgument("build ID not provided")
    job = _running(call.services).get(id)
    if job is not None:
        job.cancel()
    return empty(200)


ROUTES = (
    Route("POST", "/build", build_image),
    Route("POST", "/build/cancel", cancel_build),
)
