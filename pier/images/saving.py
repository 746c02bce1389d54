"""Writing an image archive: an OCI layout that is Docker's format too, as Docker 25 and later make it."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from pier.errors import DataCorrupted, NotFound
from pier.images.deps import Images
from pier.images.image import Image
from pier.images.lookup import find, is_whole_id, named_by_id
from pier.images.platforms import of_platform
from pier.linux.helper_pack import encode
from pier.linux.helper_tarheader import BLOCK, FOLDER, REGULAR, Header
from pier.oci import mediatypes
from pier.oci.digest import Digest, hex_of, sha256
from pier.oci.manifest import Descriptor, Manifest
from pier.oci.manifest import encode as encode_manifest
from pier.oci.platform import Platform
from pier.oci.reference import Reference, parse_reference
from pier.snapshots import diff
from pier.snapshots.snapshotter import Layer

_LAYOUT: Final = b'{"imageLayoutVersion": "1.0.0"}'


@dataclass(slots=True)
class _Wanted:
    """One image, under the names that were asked for."""

    image: Image
    references: dict[Reference, None] = field(default_factory=dict)


def save(
    images: Images,
    names: Sequence[str],
    without: frozenset[Digest] = frozenset(),
    platform: Platform | None = None,
) -> AsyncGenerator[bytes, None]:
    """The archive of the images that ``names`` mean, in pieces.

    ``x:1`` saves that name, ``x`` all tags of the repository, an ID the image without a name. Layers whose diff IDs
    are in ``without`` are left out: who loads it has them. Of an image of several platforms the one for ``platform``
    is meant. Raises NotFound at once; DataCorrupted while it is read, where a layer is not what it was.
    """
    wanted: dict[Digest, _Wanted] = {}
    for name in names:
        for named, reference in _meant(images, name):
            image = of_platform(images, named, name, platform)
            entry = wanted.setdefault(image.id, _Wanted(image))
            if reference is not None:
                entry.references[reference] = None
    return _archive(images, list(wanted.values()), set(without))


def _meant(images: Images, name: str) -> list[tuple[Image, Reference | None]]:
    if is_whole_id(name):
        return [(find(images, name), None)]
    reference = parse_reference(name)
    if reference.tag or reference.digest:
        return [(_named(images, name, reference), reference if not reference.digest else None)]
    tags = [
        (image, tag)
        for image in images.store.list()
        for tag in map(parse_reference, image.repo_tags)
        if tag.name == reference.name
    ]
    if tags:
        return [(image, tag) for image, tag in sorted(tags, key=lambda pair: pair[1].canonical)]
    return [(_by_id(images, name), None)]


def _named(images: Images, name: str, reference: Reference) -> Image:
    try:
        return find(images, name)
    except NotFound as error:
        raise NotFound("reference does not exist" if reference.tag else str(error)) from error


def _by_id(images: Images, name: str) -> Image:
    try:
        image = find(images, name)
    except NotFound as error:
        raise NotFound(f"No such image: {name}") from error
    if not named_by_id(image.id, name):
        raise NotFound(f"No such image: {name}")
    return image


async def _archive(images: Images, wanted: Sequence[_Wanted], written: set[Digest]) -> AsyncGenerator[bytes, None]:
    """``written``: what is there already, as blobs of the archive's reader or earlier in the archive."""
    yield _folder("blobs/") + _folder("blobs/sha256/")
    manifests: list[Descriptor] = []
    for each in wanted:
        layers = [images.snapshots.layer(chain_id) for chain_id in each.image.chain_ids]
        with images.pins.hold(each.image.chain_ids):
            for layer in layers:
                if layer.diff_id not in written:
                    written.add(layer.diff_id)
                    async with aclosing(_layer(layer)) as pieces:
                        async for data in pieces:
                            yield data
        config = images.content.read(each.image.id)
        manifest = encode_manifest(_manifest(each.image, len(config), layers))
        manifests.append(Descriptor(mediatypes.OCI_MANIFEST, sha256(manifest), len(manifest)))
        for blob in (config, manifest):
            if sha256(blob) not in written:
                written.add(sha256(blob))
                yield _file(_blob_name(sha256(blob)), blob)
    yield _file("index.json", msgspec.json.encode(_index(wanted, manifests)))
    yield _file("manifest.json", msgspec.json.encode([_item(images, each) for each in wanted]))
    yield _file("oci-layout", _LAYOUT)
    repositories = _repositories(wanted)
    if repositories:
        yield _file("repositories", msgspec.json.encode(repositories))
    yield bytes(2 * BLOCK)


async def _layer(layer: Layer) -> AsyncGenerator[bytes, None]:
    yield _header(_blob_name(layer.diff_id), layer.tar_size)
    written = 0
    async with aclosing(diff.layer_tar(layer)) as pieces:
        async for data in pieces:
            written += len(data)
            yield data
    if written != layer.tar_size:
        raise DataCorrupted(f"layer {layer.chain_id} has changed on disk")
    if padding := -written % BLOCK:
        yield bytes(padding)


def _manifest(image: Image, config_size: int, layers: Sequence[Layer]) -> Manifest:
    return Manifest(
        schema_version=2,
        media_type=mediatypes.OCI_MANIFEST,
        config=Descriptor(mediatypes.OCI_CONFIG, image.id, config_size),
        layers=[_described(layer) for layer in layers],
    )


def _described(layer: Layer) -> Descriptor:
    return Descriptor(mediatypes.OCI_LAYER, layer.diff_id, layer.tar_size)


def _index(wanted: Sequence[_Wanted], manifests: Sequence[Descriptor]) -> dict[str, Any]:
    entries: list[Descriptor] = []
    for each, descriptor in zip(wanted, manifests, strict=True):
        entries += [_annotated(descriptor, reference) for reference in each.references] or [descriptor]
    return {"schemaVersion": 2, "mediaType": mediatypes.OCI_INDEX, "manifests": entries}


def _annotated(descriptor: Descriptor, reference: Reference) -> Descriptor:
    names = {
        "io.containerd.image.name": reference.canonical,
        "org.opencontainers.image.ref.name": reference.tag or "",
    }
    return msgspec.structs.replace(descriptor, annotations=names)


def _item(images: Images, each: _Wanted) -> dict[str, Any]:
    """One image of ``manifest.json``, in Docker's words."""
    layers = [images.snapshots.layer(chain_id) for chain_id in each.image.chain_ids]
    return {
        "Config": _blob_name(each.image.id),
        "RepoTags": [reference.familiar for reference in each.references] or None,
        "Layers": [_blob_name(layer.diff_id) for layer in layers],
        "LayerSources": {layer.diff_id: _described(layer) for layer in layers},
    }


def _repositories(wanted: Sequence[_Wanted]) -> dict[str, dict[str, str]]:
    """The file that Docker before 1.10 read; tools still look into it."""
    found: dict[str, dict[str, str]] = {}
    for each in wanted:
        top = each.image.diff_ids[-1] if each.image.diff_ids else each.image.id
        for reference in each.references:
            found.setdefault(reference.familiar_name, {})[reference.tag or ""] = hex_of(top)
    return found


def _blob_name(digest: Digest) -> str:
    return f"blobs/sha256/{hex_of(digest)}"


def _folder(name: str) -> bytes:
    return encode(Header(name.encode(), FOLDER, 0o755, 0, 0, 0, 0, b""))


def _header(name: str, size: int) -> bytes:
    return encode(Header(name.encode(), REGULAR, 0o644, 0, 0, size, 0, b""))


def _file(name: str, data: bytes) -> bytes:
    return _header(name, len(data)) + data + bytes(-len(data) % BLOCK)
