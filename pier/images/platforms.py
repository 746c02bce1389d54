"""Images of several platforms under one name.

The name means the image that this host runs best. The manifest of its record is an index of all of them, which is also
a repo digest of it (``app@sha256:...``); each of the others is kept under the digest of its own plain manifest, so that
nothing takes it for a left-over. The index tells which image each entry is.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from pier.errors import DataCorrupted, NotFound
from pier.images.deps import Images
from pier.images.image import Image
from pier.oci import mediatypes
from pier.oci.digest import Digest, is_digest, sha256
from pier.oci.manifest import Descriptor, Index, Manifest, encode, parse_manifest
from pier.oci.platform import Platform
from pier.oci.reference import Reference, parse_reference

IMAGE_ID: Final = "pier.image.id"
"""The annotation of an index's entry that names the image."""


def keep_together(images: Images, made: Sequence[Image], main: Digest, names: Sequence[Reference]) -> Descriptor:
    """Record that the images ``made`` are one, for several platforms, by these names; the index's descriptor."""
    entries = [_entry(images, image) for image in made]
    index = encode(Index(schema_version=2, media_type=mediatypes.OCI_INDEX, manifests=entries))
    described = Descriptor(mediatypes.OCI_INDEX, images.content.put(index), len(index))
    record = images.store.get(main)
    if record is not None:
        if _index(images, record) is not None and record.manifest is not None and record.manifest != described:
            images.content.delete(record.manifest.digest)
        images.store.put(msgspec.structs.replace(record, manifest=described))
    for name in names:
        images.store.tag(name.with_digest(described.digest), main)
        for entry, image in zip(entries, made, strict=True):
            if image.id != main:
                images.store.tag(name.with_digest(entry.digest), image.id)
    return described


def together(images: Images, image: Image, name: Reference) -> list[tuple[Platform, Image]]:
    """The images that the name of ``image`` stands for, by platform; none where it is an image alone."""
    index = _index(images, image)
    if index is None or image.manifest is None:
        return []
    if name.with_digest(image.manifest.digest).canonical not in image.repo_digests:
        return []
    found = [(entry.platform, images.store.get(_image_id(entry))) for entry in index.manifests]
    return [(platform, each) for platform, each in found if platform is not None and each is not None]


def of_platform(images: Images, image: Image, name: str, platform: Platform | None) -> Image:
    """``image``, which ``name`` means, or the one beside it that is for ``platform``.

    Raises NotFound in Docker's words.
    """
    if platform is None:
        return image
    found = [image, *members(images, image)]
    for each in found:
        if platform.matches(_runs_on(each)):
            return each
    raise NotFound(
        f"image with reference {name} was found but does not match the specified platform: "
        f"wanted {platform}, actual: {_runs_on(image)}"
    )


def _runs_on(image: Image) -> Platform:
    config = image.config
    return Platform(config.architecture, config.os, config.os_version, config.variant)


def members(images: Images, image: Image) -> list[Image]:
    """The other images that stand beside ``image``, for other platforms."""
    index = _index(images, image)
    found = [images.store.get(_image_id(entry)) for entry in index.manifests] if index else []
    return [each for each in found if each is not None and each.id != image.id]


def let_go(images: Images, image: Image, name: Reference) -> None:
    """The name ``name`` no longer means ``image`` and the images of other platforms beside it."""
    index = _index(images, image)
    if index is None or image.manifest is None:
        return
    if any(tag.name == name.name and tag != name for tag in map(parse_reference, image.repo_tags)):
        return
    images.store.untag(name.with_digest(image.manifest.digest))
    for entry in index.manifests:
        images.store.untag(name.with_digest(entry.digest))
        for reference in _only_digests(images, _image_id(entry), name):
            images.store.untag(reference)


def _only_digests(images: Images, image_id: Digest, name: Reference) -> list[Reference]:
    """What the image is called in the repository of ``name`` where it has no tag there: an earlier pull or push."""
    found = [each for each in images.store.references(image_id) if each.name == name.name]
    return [] if any(each.tag for each in found) else found


def _entry(images: Images, image: Image) -> Descriptor:
    manifest = encode(_plain(images, image))
    annotations: dict[str, str] = {IMAGE_ID: image.id}
    return Descriptor(
        mediatypes.OCI_MANIFEST, sha256(manifest), len(manifest), annotations=annotations, platform=_runs_on(image)
    )


def _plain(images: Images, image: Image) -> Manifest:
    """The image's manifest with its layers as plain tars."""
    layers = [images.snapshots.layer(chain_id) for chain_id in image.chain_ids]
    return Manifest(
        schema_version=2,
        media_type=mediatypes.OCI_MANIFEST,
        config=Descriptor(mediatypes.OCI_CONFIG, image.id, images.content.info(image.id).size),
        layers=[Descriptor(mediatypes.OCI_LAYER, layer.diff_id, layer.tar_size) for layer in layers],
    )


def _index(images: Images, image: Image) -> Index | None:
    if image.manifest is None or not mediatypes.is_index(image.manifest.media_type):
        return None
    try:
        document = parse_manifest(images.content.read(image.manifest.digest), image.manifest.media_type)
    except (NotFound, DataCorrupted):
        return None
    return document if isinstance(document, Index) else None


def _image_id(entry: Descriptor) -> Digest:
    text = entry.annotations.get(IMAGE_ID, "")
    return Digest(text) if is_digest(text) else entry.digest
