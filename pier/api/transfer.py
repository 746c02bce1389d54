"""``/images``: what moves images in and out: pull, import, push, load and save."""

from collections.abc import AsyncIterator
from typing import Any

from aiohttp import web

from pier.api.call import Call
from pier.api.distribution import credentials
from pier.api.messages import Progress, run_with_progress, send_bytes
from pier.api.platforms import platform
from pier.api.routing import Route
from pier.errors import InvalidArgument, Unauthorized, Unavailable, Unsupported
from pier.images import archive, bootstrap, importing, pull, push, saving
from pier.images.importing import ImportOptions
from pier.oci.digest import Digest, is_digest
from pier.oci.reference import Reference, parse_reference


async def create_image(call: Call) -> web.StreamResponse:
    """Pull where ``fromImage`` is given, else import."""
    if call.text("fromImage"):
        return await _pull(call)
    if call.text("fromSrc"):
        return await _import(call)
    raise InvalidArgument("either fromImage or fromSrc must be given")


async def _pull(call: Call) -> web.StreamResponse:
    reference = _pull_reference(call.text("fromImage"), call.text("tag"))
    wanted = platform(call)
    given = credentials(call)

    async def work(report: Progress) -> None:
        try:
            await pull.pull(call.services.images, call.services.registries, reference, wanted, given, report)
        except Unauthorized as error:
            raise Unavailable(str(error)) from error  # of a 401 clients think that it is the engine's: docker asks who

    return await run_with_progress(call, work)


def _pull_reference(name: str, tag: str) -> Reference:
    """``tag`` may be a tag, before one in ``name``, or a digest; without either all tags are meant."""
    reference = parse_reference(name)
    if not tag or reference.digest:
        return reference
    return reference.with_digest(Digest(tag)) if is_digest(tag) else reference.with_tag(tag)


async def _import(call: Call) -> web.StreamResponse:
    if call.text("fromSrc") != "-":
        raise Unsupported("importing from a URL is not supported: fetch it and send the archive (fromSrc=-)")
    repository, tag = call.text("repo"), call.text("tag")
    reference = None
    if repository:
        reference = parse_reference(repository)
        reference = reference.with_tag(tag) if tag else reference.with_default_tag()
    options = ImportOptions(
        reference=reference,
        changes=tuple(call.texts("changes")),
        message=call.text("message"),
        platform=platform(call),
    )

    async def work(report: Progress) -> None:
        await importing.import_tar(call.services.images, _upload(call), options, report)

    return await run_with_progress(call, work)


async def _upload(call: Call) -> AsyncIterator[bytes]:
    async for chunk in call.request.content.iter_any():
        yield chunk


async def load_images(call: Call) -> web.StreamResponse:
    quiet, wanted = call.flag("quiet"), platform(call)

    async def work(report: Progress) -> None:
        await archive.load(call.services.images, _upload(call), _quieter(report) if quiet else report, wanted)

    return await run_with_progress(call, work, always=True)


def _quieter(report: Progress) -> Progress:
    """Without the progress of layers; what was loaded is still said."""

    def only_results(message: dict[str, Any]) -> None:
        if "stream" in message:
            report(message)

    return only_results


async def save_images(call: Call) -> web.StreamResponse:
    names = [name for each in call.texts("names") for name in each.split(",") if name]
    if not names:
        raise InvalidArgument("no image names were given")
    return await send_bytes(
        call, saving.save(call.services.images, names, platform=platform(call)), "application/x-tar"
    )


async def save_image(call: Call) -> web.StreamResponse:
    return await send_bytes(
        call, saving.save(call.services.images, [call.name], platform=platform(call)), "application/x-tar"
    )


async def push_image(call: Call) -> web.StreamResponse:
    reference = parse_reference(call.name)
    if call.text("tag"):
        reference = reference.with_tag(call.text("tag"))
    given, wanted = credentials(call), platform(call)

    async def work(report: Progress) -> None:
        await push.push(call.services.images, call.services.registries, reference, given, report, wanted)

    return await run_with_progress(call, work)


async def bootstrap_image(call: Call) -> web.StreamResponse:
    """Make a base image from the host's own package sources; an extension of Pier's."""
    name = call.text("name")
    if not name:
        raise InvalidArgument("name is missing: debian, debian:SUITE or hello-world")

    async def work(report: Progress) -> None:
        await bootstrap.bootstrap(call.services.images, name, report)

    return await run_with_progress(call, work)


ROUTES = (
    Route("POST", "/images/create", create_image),
    Route("POST", "/images/load", load_images),
    Route("POST", "/images/bootstrap", bootstrap_image),
    Route("GET", "/images/get", save_images),
    Route("GET", "/images/{name}/get", save_image),
    Route("POST", "/images/{name}/push", push_image),
)
