"""From the names of images to their configs: those that are here, else those that a registry has."""

import asyncio
from collections.abc import Sequence
from typing import Any

from pier.build.deps import Build
from pier.build.dockerfile.fault import Fault
from pier.build.dockerfile.images import ImageName, ImageWanted, ResolvedImage
from pier.build.dockerfile.stages import LAYOUT
from pier.build.export.steps import Part, Step, step
from pier.build.layoutcontext import layout_image
from pier.errors import InvalidArgument, NotFound, PierError
from pier.images.image import Image
from pier.images.lookup import find, is_whole_id
from pier.images.platforms import together
from pier.images.pull import pull
from pier.oci.platform import Platform
from pier.oci.reference import Reference, parse_reference

__all__ = ["ResolvedImage", "resolve"]


async def resolve(build: Build, wanted: Sequence[ImageWanted]) -> dict[ImageName, ResolvedImage]:
    """All at once. Their layers are here, and stay until ``build.lasting`` is closed.

    Raises Fault where the instruction is known that needs what cannot be had.
    """
    try:
        async with asyncio.TaskGroup() as group:
            tasks = {each.name: group.create_task(_resolve(build, each)) for each in wanted}
    except BaseExceptionGroup as failures:
        first = failures.exceptions[0]
        raise first from first.__cause__
    return {name: task.result() for name, task in tasks.items()}


async def _resolve(build: Build, wanted: ImageWanted) -> ResolvedImage:
    reference = wanted.name.reference
    if reference.startswith(LAYOUT):
        return await layout_image(build, wanted)
    with step(build.progress, build.request.id, f"[internal] load metadata for {reference}") as shown:
        image = await _image(build, wanted, shown)
    pins = build.deps.images.pins
    build.lasting.enter_context(pins.hold([image.id, *image.chain_ids]))
    return ResolvedImage(reference, image.id, image.config)


async def _image(build: Build, wanted: ImageWanted, shown: Step) -> Image:
    local = _local(build, wanted)
    if local is not None and is_whole_id(wanted.written):
        return local  # another build's result, given as a context: no registry has it
    if local is not None and not build.request.pull and wanted.name.platform.matches(platform_of(local)):
        return local
    try:
        return await _pulled(build, wanted, shown)
    except PierError as error:
        if local is None or build.request.pull:
            raise _unresolved(wanted, str(error)) from error
        if wanted.name.any_platform:
            return local
        reason = (
            f"image with reference {wanted.name.reference} was found but does not match the specified platform: "
            f"wanted {wanted.name.platform}, actual: {platform_of(local)}"
        )
        raise _unresolved(wanted, reason) from error


def _local(build: Build, wanted: ImageWanted) -> Image | None:
    """What the name means here; of images of several platforms the one that fits."""
    images = build.deps.images
    try:
        image = find(images, wanted.written)
        reference = parse_reference(wanted.written).with_default_tag()
    except (NotFound, InvalidArgument):
        return None
    for platform, each in together(images, image, reference):
        if wanted.name.platform.matches(platform):
            return each
    return image


async def _pulled(build: Build, wanted: ImageWanted, shown: Step) -> Image:
    reference: Reference = parse_reference(wanted.name.reference)
    platform = None if wanted.name.any_platform else wanted.name.platform
    credentials = await build.session.credentials(reference.domain)
    deps = build.deps
    return await pull(deps.images, deps.registries, reference, platform, credentials, _Layers(shown))


def _unresolved(wanted: ImageWanted, reason: str) -> PierError:
    text = f"{wanted.written}: failed to resolve source metadata for {wanted.name.reference}: {reason}"
    return Fault(text, wanted.where, {})


def platform_of(image: Image) -> Platform:
    config = image.config
    return Platform(config.architecture, config.os, config.os_version, config.variant)


class _Layers:
    """Messages of a pull as parts of a step."""

    def __init__(self, shown: Step) -> None:
        self._shown = shown
        self._parts: dict[str, Part] = {}

    def __call__(self, message: dict[str, Any]) -> None:
        id, detail = message.get("id"), message.get("progressDetail") or {}
        if not id or not isinstance(detail.get("current"), int):
            if id in self._parts and message.get("status") in ("Pull complete", "Already exists"):
                self._parts[id].done()
            return
        name = f"{str(message.get('status', '')).lower()} {id}"
        if name not in self._parts:
            self._parts[name] = self._parts[id] = self._shown.begin(name)
        part = self._parts[name]
        part.total = detail.get("total") or 0
        part.add(detail["current"] - part.current)
