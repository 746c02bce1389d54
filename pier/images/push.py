"""``push``: an image under one tag, or all tags of a repository, to a registry."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass

from pier.errors import NotFound
from pier.images.deps import Images, Progress
from pier.images.image import Image
from pier.images.notify import status
from pier.images.platforms import of_platform, together
from pier.images.pushlayer import LayerPusher
from pier.oci import mediatypes
from pier.oci.digest import Digest, sha256, short
from pier.oci.manifest import Descriptor, Index, Manifest, encode, parse_manifest
from pier.oci.platform import Platform
from pier.oci.reference import Reference, parse_reference
from pier.remote import push as remote_push
from pier.remote.client import Registries
from pier.remote.repository import Repository
from pier.remote.settings import Credentials


async def push(
    images: Images,
    registries: Registries,
    reference: Reference,
    credentials: Credentials | None,
    progress: Progress,
    platform: Platform | None = None,
) -> None:
    """Push the tag that ``reference`` names, or without one all local tags of its repository.

    Of an image of several platforms only the one for ``platform``, where that is given; NotFound where it is for
    another. Progress and errors read as Docker's. A layer that came compressed goes as it came, so that an image that
    was pulled keeps its digest wherever it goes.
    """
    if platform is not None:
        for tag, image in _tags(images, reference):
            of_platform(images, image, tag.familiar, platform)
    progress({"status": f"The push refers to repository [{reference.name}]"})
    repository: Repository | None = None
    for tag, image in _tags(images, reference):
        meant = of_platform(images, image, tag.familiar, platform)
        for diff_id in _once(meant.diff_ids)[::-1]:
            progress(status("Preparing", short(diff_id)))
        repository = repository or await registries.repository(reference, credentials, push=True)
        group = together(images, image, tag)
        if group and platform is None:
            await _several(images, registries, repository, tag, group, image, progress)
        else:
            await _one(images, registries, repository, tag, meant, progress)


def _tags(images: Images, reference: Reference) -> list[tuple[Reference, Image]]:
    """What is to be pushed. Raises NotFound in Docker's words."""
    local = {text: image for image in images.store.list() for text in image.repo_tags}
    mine = [(parse_reference(text), image) for text, image in sorted(local.items())]
    mine = [(tag, image) for tag, image in mine if tag.name == reference.name]
    if not mine:
        raise NotFound(f"An image does not exist locally with the tag: {reference.familiar_name}")
    if reference.tag is None:
        return mine
    wanted = [(tag, image) for tag, image in mine if tag.tag == reference.tag]
    if not wanted:
        raise NotFound(f"tag does not exist: {reference.familiar}")
    return wanted


def _once(diff_ids: list[Digest]) -> list[Digest]:
    return list(dict.fromkeys(diff_ids))


@dataclass(frozen=True, slots=True)
class _Original:
    """The manifest that the image was pulled with, and the form that each layer had there."""

    data: bytes
    manifest: Manifest
    layers: dict[Digest, Descriptor]


async def _one(
    images: Images, registries: Registries, repository: Repository, tag: Reference, image: Image, progress: Progress
) -> None:
    data, media_type = await _contents(images, registries, repository, image, progress)
    await _named(images, repository, tag, image, (data, media_type), progress)


async def _several(
    images: Images,
    registries: Registries,
    repository: Repository,
    tag: Reference,
    group: list[tuple[Platform, Image]],
    image: Image,
    progress: Progress,
) -> None:
    """Push the images of several platforms that the tag of ``image`` stands for, and an index of them."""
    entries: list[Descriptor] = []
    for platform, each in group:
        data, media_type = await _contents(images, registries, repository, each, progress)
        await remote_push.put_manifest(repository, sha256(data), data, media_type)
        entries.append(Descriptor(media_type, sha256(data), len(data), platform=platform))
    docker = all(entry.media_type == mediatypes.DOCKER_MANIFEST for entry in entries)
    kind = mediatypes.DOCKER_INDEX if docker else mediatypes.OCI_INDEX
    index = encode(Index(schema_version=2, media_type=kind, manifests=entries))
    await _named(images, repository, tag, image, (index, kind), progress)


async def _contents(
    images: Images, registries: Registries, repository: Repository, image: Image, progress: Progress
) -> tuple[bytes, str]:
    """Bring the layers and the config there; the manifest that is to be put, and its media type."""
    original = _original(images, image)
    with images.pins.hold([*image.chain_ids, image.id]):
        layers = await _layers(images, registries, repository, image, original, progress)
        await _config(images, repository, image)
        return _manifest(images, image, layers, original)


async def _named(
    images: Images,
    repository: Repository,
    tag: Reference,
    image: Image,
    document: tuple[bytes, str],
    progress: Progress,
) -> None:
    """Put a manifest or an index under its tag, and tell."""
    assert tag.tag is not None
    data, media_type = document
    digest = await remote_push.put_manifest(repository, tag.tag, data, media_type)
    progress({"status": f"{tag.tag}: digest: {digest} size: {len(data)}"})
    progress({"progressDetail": {}, "aux": {"Tag": tag.tag, "Digest": digest, "Size": len(data)}})
    images.store.tag(tag.with_digest(digest), image.id)
    labels = image.config.config.labels or {}
    images.events.publish("image", "push", tag.familiar, {**labels, "name": tag.familiar_name})


def _original(images: Images, image: Image) -> _Original | None:
    if image.manifest is None:
        return None
    with suppress(NotFound):
        data = images.content.read(image.manifest.digest)
        manifest = parse_manifest(data, image.manifest.media_type)
        if isinstance(manifest, Manifest) and len(manifest.layers) == len(image.diff_ids):
            return _Original(data, manifest, dict(zip(image.diff_ids, manifest.layers, strict=True)))
    return None


async def _layers(
    images: Images,
    registries: Registries,
    repository: Repository,
    image: Image,
    original: _Original | None,
    progress: Progress,
) -> dict[Digest, Descriptor]:
    """Bring all layers there, a few at a time; the form of each by its diff ID."""
    pusher = LayerPusher(images, repository, image, registries.uploads, progress)
    preferred = original.layers if original else {}
    by_diff = dict(zip(image.diff_ids, image.chain_ids, strict=True))
    tasks = {
        diff_id: asyncio.create_task(pusher.push(by_diff[diff_id], diff_id, preferred.get(diff_id)))
        for diff_id in _once(image.diff_ids)[::-1]
    }
    try:
        await asyncio.gather(*tasks.values())
    except BaseException:
        for task in tasks.values():
            task.cancel()
        await asyncio.gather(*tasks.values(), return_exceptions=True)
        raise
    return {diff_id: task.result() for diff_id, task in tasks.items()}


async def _config(images: Images, repository: Repository, image: Image) -> None:
    if await remote_push.exists(repository, image.id):
        return
    data = images.content.read(image.id)

    async def source() -> AsyncIterator[bytes]:
        yield data

    await remote_push.upload(repository, source, Descriptor(mediatypes.DOCKER_CONFIG, image.id, len(data)))


def _manifest(
    images: Images, image: Image, layers: dict[Digest, Descriptor], original: _Original | None
) -> tuple[bytes, str]:
    """The manifest to put and its media type: the original where all of its layers are what was pushed."""
    pushed = [layers[diff_id] for diff_id in image.diff_ids]
    if original and [each.digest for each in pushed] == [each.digest for each in original.manifest.layers]:
        return original.data, original.manifest.media_type
    config = Descriptor(mediatypes.DOCKER_CONFIG, image.id, images.content.info(image.id).size)
    plain = [Descriptor(_docker_type(each.media_type), each.digest, each.size, each.urls) for each in pushed]
    kind = mediatypes.DOCKER_MANIFEST
    if any(mediatypes.compression_of(each.media_type) == "zstd" for each in pushed):
        kind, plain = mediatypes.OCI_MANIFEST, [_as_oci(each) for each in pushed]
        config = Descriptor(mediatypes.OCI_CONFIG, config.digest, config.size)
    data = encode(Manifest(schema_version=2, media_type=kind, config=config, layers=plain))
    return data, kind


def _docker_type(media_type: str) -> str:
    if mediatypes.is_foreign_layer(media_type):
        return mediatypes.DOCKER_FOREIGN_LAYER
    return mediatypes.DOCKER_LAYER_GZIP if mediatypes.compression_of(media_type) == "gzip" else mediatypes.DOCKER_LAYER


def _as_oci(layer: Descriptor) -> Descriptor:
    kinds = {"gzip": mediatypes.OCI_LAYER_GZIP, "zstd": mediatypes.OCI_LAYER_ZSTD, "none": mediatypes.OCI_LAYER}
    return Descriptor(kinds[mediatypes.compression_of(layer.media_type)], layer.digest, layer.size)
