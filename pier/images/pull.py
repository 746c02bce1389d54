"""``pull``: an image, or all tags of a repository, from a registry."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Final

from pier.errors import (
    DataCorrupted,
    DeadlineExceeded,
    Forbidden,
    Internal,
    NotFound,
    PierError,
    Unauthorized,
    Unavailable,
    Unsupported,
)
from pier.images.acceptance import check_types, read_manifest
from pier.images.choose import acceptable, choose
from pier.images.deps import Images, Progress
from pier.images.image import Image
from pier.images.unpack import unpack_manifest
from pier.log import Logger
from pier.oci.digest import Digest
from pier.oci.image import MAX_CONFIG_BYTES, ImageConfig, parse_image
from pier.oci.manifest import Descriptor, Manifest
from pier.oci.platform import Platform
from pier.oci.reference import Reference
from pier.remote import fetch
from pier.remote.client import Registries
from pier.remote.fetch import FetchedManifest
from pier.remote.repository import Repository
from pier.remote.settings import Credentials

_MOST_NESTED: Final = 3
_ELSEWHERE: Final = (
    DataCorrupted,
    DeadlineExceeded,
    Forbidden,
    Internal,
    NotFound,
    Unauthorized,
    Unavailable,
    Unsupported,
)
"""What one registry answers and another may not."""
_log = Logger("pier.images")


@dataclass(frozen=True, slots=True)
class _Found:
    """``root`` is the digest that the reference names: of an index, or of ``manifest`` itself."""

    root: Digest
    fetched: FetchedManifest
    manifest: Manifest


@dataclass(frozen=True, slots=True)
class _Pulling:
    """What all tags of one pull share."""

    images: Images
    registries: Registries
    repository: Repository
    platform: Platform | None
    progress: Progress


async def pull(
    images: Images,
    registries: Registries,
    reference: Reference,
    platform: Platform | None,
    credentials: Credentials | None,
    progress: Progress,
) -> Image:
    """Bring ``reference`` here and name it so; without a tag and a digest, all tags of the repository.

    Mirrors are asked first; where one has not got it, or breaks off, the next is asked, and at last the registry
    itself. Progress and errors read as Docker's. What fails, or is cancelled, leaves no image and no layer; the part
    of a blob that was fetched is kept for the next try.
    """
    async with aclosing(registries.sources(reference, credentials)) as sources:
        async for repository in sources:
            try:
                return await _from(_Pulling(images, registries, repository, platform, progress), reference)
            except _ELSEWHERE as error:
                if not repository.endpoint.mirror:
                    raise
                _log.warning("mirror failed", mirror=str(repository.endpoint.base), error=error.message)
    raise AssertionError("unreachable: the registry itself comes last")


async def _from(pulling: _Pulling, reference: Reference) -> Image:
    if reference.tag or reference.digest:
        image, fresh = await _one(pulling, reference)
        pulling.progress({"status": _outcome(reference.familiar, fresh)})
        return image
    return await _all(pulling, reference)


async def _all(pulling: _Pulling, reference: Reference) -> Image:
    results = [await _one(pulling, reference.with_tag(tag)) for tag in await fetch.tags(pulling.repository)]
    if not results:
        raise NotFound(f"no tags found for repository {reference.familiar_name}")
    pulling.progress({"status": _outcome(reference.familiar_name, any(fresh for _, fresh in results))})
    return results[-1][0]


def _outcome(name: str, fresh: bool) -> str:
    return f"Status: Downloaded newer image for {name}" if fresh else f"Status: Image is up to date for {name}"


async def _one(pulling: _Pulling, reference: Reference) -> tuple[Image, bool]:
    """The image, and whether the reference means something else than before."""
    images, shown = pulling.images, reference.canonical if reference.digest else reference.tag or ""
    current = await _current(pulling, reference)
    if current is not None:
        image, digest = current
        pulling.progress(_pulling_from(reference, shown))
        pulling.progress({"status": f"Digest: {digest}"})
        return image, False
    found = await _find(pulling, reference, shown)
    image = await _fetch(pulling, reference, found)
    pulling.progress({"status": f"Digest: {found.root}"})
    previous = images.store.resolve(reference)
    images.store.tag(reference.with_digest(found.root), image.id)
    if reference.tag and not reference.digest:
        images.store.tag(reference, image.id)
    labels = image.config.config.labels or {}
    images.events.publish("image", "pull", reference.familiar, {**labels, "name": reference.familiar_name})
    return image, previous != image.id


def _pulling_from(reference: Reference, shown: str) -> dict[str, str]:
    return {"status": f"Pulling from {reference.path}", "id": shown}


async def _current(pulling: _Pulling, reference: Reference) -> tuple[Image, Digest] | None:
    """The image that is here, where the registry's answer to a HEAD says that it is still the one."""
    image_id = pulling.images.store.resolve(reference)
    image = pulling.images.store.get(image_id) if image_id else None
    if image is None or not _fits(image, pulling.platform):
        return None
    digest = reference.digest or await fetch.manifest_digest(pulling.repository, reference)
    known = digest is not None and reference.with_digest(digest).canonical in image.repo_digests
    return (image, digest) if known and digest is not None else None


def _fits(image: Image, platform: Platform | None) -> bool:
    """Whether nothing better can be there: what merely runs too may be one of several."""
    return acceptable(platform)[0].matches(_platform_of(image.config))


def _platform_of(config: ImageConfig) -> Platform:
    return Platform(config.architecture, config.os, "", config.variant)


async def _find(pulling: _Pulling, reference: Reference, shown: str) -> _Found:
    """The image manifest that ``reference`` leads to. Raises NotFound, Unsupported, DataCorrupted."""
    fetched = await fetch.manifest(pulling.repository, reference)
    root, document = fetched.digest, read_manifest(fetched.data, fetched.media_type)
    pulling.progress(_pulling_from(reference, shown))
    for _ in range(_MOST_NESTED):
        if isinstance(document, Manifest):
            check_types(document)
            return _Found(root, fetched, document)
        chosen = choose(document, acceptable(pulling.platform))
        fetched = await fetch.manifest(pulling.repository, reference.with_digest(chosen.digest))
        document = read_manifest(fetched.data, fetched.media_type)
    raise DataCorrupted(f"manifest list {root} holds nothing but manifest lists")


async def _fetch(pulling: _Pulling, reference: Reference, found: _Found) -> Image:
    images, manifest = pulling.images, found.manifest
    config = await _config(pulling, manifest.config)
    listed = found.root != found.fetched.digest
    _check_platform(config, reference, None if listed else pulling.platform)
    described = Descriptor(manifest.media_type, found.fetched.digest, len(found.fetched.data))

    async def blob(descriptor: Descriptor, offset: int) -> AsyncIterator[bytes]:
        try:
            async with aclosing(fetch.blob(pulling.repository, descriptor, offset)) as pieces:
                async for data in pieces:
                    yield data
        except NotFound as error:
            raise NotFound(f"unknown blob: {descriptor.digest}") from error

    with images.pins.hold([described.digest]):
        had = images.content.exists(described.digest)
        images.content.put(found.fetched.data)
        try:
            return await unpack_manifest(
                images,
                manifest,
                config,
                blob,
                _silent if images.store.get(manifest.config.digest) else pulling.progress,
                described=described,
                slots=pulling.registries.downloads,
            )
        except BaseException:
            if not had:
                images.content.delete(described.digest)
            raise


def _silent(message: dict[str, Any]) -> None:
    """An image that is here by another name: Docker says nothing of its layers either."""


async def _config(pulling: _Pulling, descriptor: Descriptor) -> bytes:
    if pulling.images.content.exists(descriptor.digest):
        return pulling.images.content.read(descriptor.digest)
    try:
        return await fetch.small_blob(pulling.repository, descriptor, MAX_CONFIG_BYTES)
    except PierError as error:
        told = f"unknown blob: {descriptor.digest}" if isinstance(error, NotFound) else str(error)
        raise type(error)(f"error pulling image configuration: {told}") from error


def _check_platform(config: bytes, reference: Reference, platform: Platform | None) -> None:
    """An image that is for one platform only is taken as it is, unless the user asked for another.

    ``platform`` None: its manifest list said what it is for, which is believed before its config, as Docker does.
    """
    actual = _platform_of(parse_image(config))
    if actual.os not in ("", "linux"):
        why = "operating system is not supported"
        raise Unsupported(f'image operating system "{actual.os}" cannot be used on this platform: {why}')
    if platform is not None and actual.architecture and not platform.accepts(actual):
        raise NotFound(
            f"image with reference {reference.canonical} was found but does not match the specified platform: "
            f"wanted {platform}, actual: {actual}"
        )
