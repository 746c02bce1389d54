"""Image archives, Docker's and OCI's: ``load`` and ``save``."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

from pier.errors import Conflict, NotFound
from pier.images.deps import Images, Progress
from pier.images.image import Image
from pier.images.layouts import Described, describe
from pier.images.notify import publish
from pier.images.register import register
from pier.images.release import release_layers
from pier.images.saving import save
from pier.images.staging import StagedLayer, Staging
from pier.images.tarstream import is_compressed
from pier.linux import helper
from pier.oci.digest import Digest
from pier.oci.image import chain_ids
from pier.oci.manifest import Descriptor
from pier.oci.platform import Platform
from pier.snapshots import diff

__all__ = ["load", "save"]


async def load(
    images: Images, stream: AsyncIterator[bytes], progress: Progress, platform: Platform | None = None
) -> list[Image]:
    """Take in an archive (docker-archive or OCI layout, plain, gzip, zstd, xz or bzip2) in one pass.

    Only the images for ``platform``, where that is given; NotFound where there are none. Reports Docker's messages
    ("Loaded image: x:latest"). Raises DataCorrupted ("unexpected EOF" for a broken one), InvalidArgument, NoSpace;
    then nothing is left behind.
    """
    async with Staging(images, progress) as staging, aclosing(_plain(stream)) as plain:
        await staging.take_in(plain)
        found = _for_platform(describe(staging, platform), platform)
        chains = {chain_id for each in found for chain_id in chain_ids(each.parsed.rootfs.diff_ids)}
        blobs = {descriptor.digest for each in found for descriptor in each.descriptors}
        manifests = {each.manifest[0].digest for each in found if each.manifest}
        try:
            with images.pins.hold([*chains, *blobs, *manifests]):
                loaded = [await _commit(images, each) for each in found]
        except BaseException:
            for each in found:
                for chain_id in reversed(chain_ids(each.parsed.rootfs.diff_ids)):
                    await release_layers(images, chain_id)
            raise
    for image, each in zip(loaded, found, strict=True):
        await _announce(images, image, each, progress)
    return [images.store.get(image.id) or image for image in loaded]


def _for_platform(found: list[Described], platform: Platform | None) -> list[Described]:
    if platform is None:
        return found
    kept = [each for each in found if platform.matches(_runs_on(each))]
    if not kept:
        raise NotFound(f"requested platform ({platform}) not found in the archive")
    return kept


def _runs_on(each: Described) -> Platform:
    return Platform(each.parsed.architecture, each.parsed.os, each.parsed.os_version, each.parsed.variant)


async def _plain(stream: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    """The archive without its outer compression, which a helper process takes off."""
    first = b""
    async for data in stream:
        first += data
        if len(first) >= 6:
            break
    if not is_compressed(first):
        yield first
        async for data in stream:
            yield data
        return
    async with aclosing(helper.inflate(_chained(first, stream))) as pieces:
        async for data in pieces:
            yield data


async def _chained(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for data in rest:
        yield data


async def _commit(images: Images, each: Described) -> Image:
    parent: Digest | None = None
    for index, (layer, chain_id) in enumerate(zip(each.layers, chain_ids(each.parsed.rootfs.diff_ids), strict=True)):
        if chain_id not in images.snapshots.layers():
            await _commit_layer(images, layer, parent)
        if each.descriptors:
            _keep_blob(images, layer, each.descriptors[index])
        parent = chain_id
    if each.manifest:
        await asyncio.to_thread(images.content.put, each.manifest[1])
    known = each.parent is not None and images.store.get(each.parent) is not None
    return await register(
        images,
        each.config,
        manifest=each.manifest[0] if each.manifest and _complete(images, each) else None,
        parent=each.parent if known else None,
    )


def _complete(images: Images, each: Described) -> bool:
    """Whether all of the manifest's blobs can be given out again: compressed ones must have been kept."""
    return all(
        descriptor.digest == layer.diff_id or images.content.exists(descriptor.digest)
        for layer, descriptor in zip(each.layers, each.descriptors, strict=True)
    )


async def _commit_layer(images: Images, layer: StagedLayer, parent: Digest | None) -> None:
    """Commit what was unpacked; a diff that is needed a second time, under another parent, is made again."""
    if layer.writer is not None and layer.applied is not None:
        layer.writer.commit(parent, layer.diff_id, layer.applied.size, layer.applied.skeleton)
        layer.writer = None
        return
    await copy_layer(images, layer.diff_id, parent)


async def copy_layer(images: Images, diff_id: Digest, parent: Digest | None) -> None:
    """Make the layer ``diff_id`` on top of ``parent`` from one that is here with another below it.

    Raises Conflict where that is gone.
    """
    existing = images.snapshots.with_diff(diff_id)
    if existing is None:
        raise Conflict(f"layer {diff_id} was removed while the archive was read: load it again")
    writer = images.snapshots.begin_layer()
    try:
        applied = await diff.apply_layer(diff.layer_tar(existing), writer)
        writer.commit(parent, applied.diff_id, applied.size, applied.skeleton)
    finally:
        writer.abort()


def _keep_blob(images: Images, layer: StagedLayer, descriptor: Descriptor) -> None:
    if layer.ingest is not None:
        layer.ingest.adopt(layer.digest, layer.blob_size)
        layer.ingest = None
        images.store.add_blob(layer.diff_id, Descriptor(descriptor.media_type, layer.digest, layer.blob_size))


async def _announce(images: Images, image: Image, each: Described, progress: Progress) -> None:
    """Give the image its names, which may be thousands, and tell."""
    previous = await asyncio.to_thread(images.store.tag_all, each.references, image.id) if each.references else ()
    for reference, old in zip(each.references, previous, strict=True):
        publish(images, "tag", image.id, reference)
        if old is not None and old != image.id:
            text = f"The image {reference.familiar} already exists, renaming the old one with ID {old} to empty string"
            progress({"stream": text + "\n"})
        progress({"stream": f"Loaded image: {reference.familiar}\n"})
    if not each.references:
        progress({"stream": f"Loaded image ID: {image.id}\n"})
    publish(images, "load", image.id)
