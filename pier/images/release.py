"""Letting go of layers and blobs that nothing needs any more."""

import asyncio

from pier.errors import Conflict, NotFound
from pier.images.deps import Images
from pier.images.image import Image
from pier.oci.digest import Digest
from pier.snapshots.snapshotter import Layer


async def release_layers(images: Images, top: Digest | None, *, blobs: bool = True) -> list[Layer]:
    """Remove the layer ``top`` and those below it, up to the first that an image, a container or the build cache
    needs, or work under way has pinned; with ``blobs`` their compressed forms too. Returns what was removed, top first.

    Call it when an image was forgotten, and when a container went whose image is gone. It runs on the loop, a
    layer at a time, so that nobody can pin a layer between the question and its removal.
    """
    removed: list[Layer] = []
    while top is not None and not images.needs(top):
        try:
            layer = images.snapshots.layer(top)
            images.snapshots.remove_layer(top)
        except (Conflict, NotFound):
            break
        if blobs:
            release_blobs(images, layer.diff_id)
        removed.append(layer)
        top = layer.parent
        await asyncio.sleep(0)
    return removed


def release_blobs(images: Images, diff_id: Digest) -> None:
    """Delete the compressed forms of a diff that no layer has any more."""
    if images.snapshots.with_diff(diff_id) is not None:
        return
    for descriptor in images.store.blob_of(diff_id):
        if descriptor.digest not in images.pins:
            images.content.delete(descriptor.digest)
            images.store.remove_blob(diff_id, descriptor.digest)


async def forget(images: Images, image: Image) -> list[Layer]:
    """Remove the record of ``image``, its config, its manifest, and what nothing else needs of its layers."""
    images.store.remove(image.id)
    images.content.delete(image.id)
    if image.manifest is not None and not any(other.manifest == image.manifest for other in images.store.list()):
        images.content.delete(image.manifest.digest)
    return await release_layers(images, image.top)


async def collect(images: Images) -> int:
    """Remove every layer and blob that no image, container, holder and work under way needs; bytes of the layers.

    The backstop after a crash, and part of prune.
    """
    freed = 0
    tops = {layer.parent for layer in images.snapshots.layers().values()}
    for chain_id in [chain_id for chain_id in images.snapshots.layers() if chain_id not in tops]:
        freed += sum(layer.size for layer in await release_layers(images, chain_id))
    needed = {image.id for image in images.store.list()}
    needed.update(image.manifest.digest for image in images.store.list() if image.manifest is not None)
    kept = {layer.diff_id for layer in images.snapshots.layers().values()}
    for digest, diff_id in images.store.blobs().items():
        if diff_id in kept:
            needed.add(digest)
        elif digest not in images.pins:
            images.store.remove_blob(diff_id, digest)
    for blob in await asyncio.to_thread(lambda: list(images.content.walk())):
        if blob.digest not in needed and not _wanted_now(images, blob.digest):
            images.content.delete(blob.digest)
    return freed


def _wanted_now(images: Images, digest: Digest) -> bool:
    """What came since ``needed`` was drawn up: the walk through the blobs took its time."""
    return (
        digest in images.pins
        or images.store.get(digest) is not None
        or digest in images.store.blobs()
        or any(image.manifest is not None and image.manifest.digest == digest for image in images.store.list())
    )
