"""One build, from its request to what comes out: the passes, in their order."""

import dataclasses
from collections.abc import Callable, Mapping

import msgspec

from pier.build.archives import Archives
from pier.build.binfmt import can_run
from pier.build.deps import Build, Deps
from pier.build.dockerfile import ast
from pier.build.dockerfile.fault import Fault
from pier.build.dockerfile.lower import lower, needed_images
from pier.build.dockerfile.plan import Inputs
from pier.build.dockerfile.platforms import wanted_platforms
from pier.build.dockerfile.runnable import check_runnable
from pier.build.dockerfile.suggest import did_you_mean
from pier.build.export.export import export
from pier.build.failures import Tails, build_failed, step_failed
from pier.build.graph import Graph, Rootfs, VertexId
from pier.build.linting import check, warn
from pier.build.options import with_options
from pier.build.progress import Progress
from pier.build.reading import read
from pier.build.request import BuildRequest
from pier.build.resolve import resolve
from pier.build.session import Session
from pier.build.solving.solver import solve
from pier.build.steps.cachemounts import begin_anew
from pier.errors import PierError
from pier.oci.digest import Digest
from pier.oci.platform import host_platform


class Built(msgspec.Struct, frozen=True):
    """``images``: IDs of what is in the store now, one a platform. ``metadata``: as BuildKit names it."""

    images: tuple[Digest, ...]
    metadata: dict[str, str]


def _ignored(dockerfile: ast.Dockerfile) -> None:
    """For those who do not ask what was read."""


async def build(
    deps: Deps,
    request: BuildRequest,
    session: Session,
    progress: Progress,
    parsed: Callable[[ast.Dockerfile], None] = _ignored,
) -> Built:
    """Raises BuildFailed, and Cancelled. Cancelled or failed, it leaves nothing but what the cache keeps.

    ``parsed`` is called with the Dockerfile once it was read; what it raises fails the build.
    """
    tails = Tails(progress)
    try:
        run = Build(deps, with_options(request), session, tails)
        async with run.lasting:
            return await _build(dataclasses.replace(run, session=Archives(run)), tails, parsed)
    except BaseExceptionGroup as failures:
        first = failures.exceptions[0]
        raise (build_failed(first) if isinstance(first, PierError) else first) from first
    except PierError as error:
        raise build_failed(error) from error


async def _build(run: Build, tails: Tails, parsed: Callable[[ast.Dockerfile], None]) -> Built:
    request = run.request
    found = await read(run)
    dockerfile = found.dockerfile
    parsed(dockerfile)
    if (directive := request.build_args.get("BUILDKIT_DOCKERFILE_CHECK")) is not None:
        dockerfile = msgspec.structs.replace(dockerfile, check=directive)
    platforms = tuple(wanted_platforms(request.platforms, host_platform()))
    inputs = Inputs(dockerfile, request, platforms, {}, found.excludes)
    if request.check:
        check(run, inputs, found.vertex)
        return Built((), {})
    inputs = await _with_images(run, inputs)
    warn(run, inputs, found.vertex)
    graph = lower(inputs)
    check_runnable(graph, dockerfile.sources, lambda platform: can_run(platform, host_platform()))
    exported = await export(run, graph, await _solve(run, graph, dockerfile.sources, tails))
    return Built(exported.images, exported.metadata)


async def _with_images(run: Build, inputs: Inputs) -> Inputs:
    """Resolve what is needed, and what the triggers of that need."""
    while wanted := needed_images(inputs):
        try:
            images = await resolve(run, wanted)
        except Fault as error:
            raise _explained(error, inputs.dockerfile) from error
        inputs = msgspec.structs.replace(inputs, images={**inputs.images, **images})
    return inputs


def _explained(error: Fault, dockerfile: ast.Dockerfile) -> Fault:
    """With the lines, and a stage's name that may have been meant."""
    names = [stage.start.name for stage in dockerfile.stages if stage.start.name]
    reason = error.reason + did_you_mean(error.reason.partition(":")[0], names)
    return Fault(reason, error.location, dockerfile.sources)


async def _solve(run: Build, graph: Graph, sources: Mapping[str, str], tails: Tails) -> Mapping[VertexId, Rootfs]:
    await begin_anew(run.deps, graph)
    try:
        return await solve(run, graph)
    except PierError as error:
        raise step_failed(error, graph, run.failed, sources, tails) from error
