"""What an archive's manifests say (Docker's ``manifest.json``, OCI's ``index.json``): the images in it. Pure
but for the staged files that it reads.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from pier.errors import DataCorrupted, InvalidArgument, PierError, Unsupported
from pier.images.acceptance import is_image
from pier.images.choose import acceptable
from pier.images.staging import StagedLayer, Staging
from pier.oci.digest import Digest, is_digest
from pier.oci.image import ImageConfig, parse_image
from pier.oci.manifest import Descriptor, Index, Manifest, parse_manifest
from pier.oci.platform import Platform
from pier.oci.reference import Reference, parse_reference

_NAME: Final = "io.containerd.image.name"
_REF_NAME: Final = "org.opencontainers.image.ref.name"
_ATTESTATION: Final = "vnd.docker.reference.type"
_DEEPEST: Final = 4
_MOST_NAMES: Final = 10_000


@dataclass(frozen=True, slots=True)
class Described:
    """One image of an archive, its layers bottom first. ``manifest``: descriptor and bytes, from an OCI layout."""

    config: bytes
    parsed: ImageConfig
    layers: tuple[StagedLayer, ...]
    descriptors: tuple[Descriptor, ...]
    references: tuple[Reference, ...]
    parent: Digest | None = None
    manifest: tuple[Descriptor, bytes] | None = None


class _Item(msgspec.Struct, rename="pascal"):
    """One image of ``manifest.json``."""

    config: str
    layers: list[str] | None = None
    repo_tags: list[str] | None = None
    parent: str | None = None


def describe(staging: Staging, platform: Platform | None = None) -> list[Described]:
    """The images of the archive; Docker's manifest goes before OCI's index. Raises DataCorrupted, InvalidArgument.

    Of an index within the OCI's, the image for ``platform`` is taken, or the one that suits this host best.
    """
    listing = staging.small("manifest.json")
    if listing is not None:
        return [_from_docker(staging, item) for item in _items(listing)]
    index = staging.small("index.json")
    if index is not None:
        return _from_oci(staging, index, acceptable(platform))
    if staging.small("repositories") is not None:
        raise InvalidArgument("the archive has Docker's format of before 1.10: load and save it with a newer Docker")
    raise InvalidArgument("the archive holds no image: it has neither a manifest.json nor an index.json")


def _items(listing: bytes) -> list[_Item]:
    try:
        items = msgspec.json.decode(listing, type=list[_Item])
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise DataCorrupted(f"invalid manifest.json: {error}") from error
    if sum(1 + len(item.repo_tags or []) for item in items) > _MOST_NAMES:
        raise DataCorrupted(f"invalid manifest.json: it has more than {_MOST_NAMES} images and names")
    return items


def _from_docker(staging: Staging, item: _Item) -> Described:
    config = staging.small(item.config)
    if config is None:
        raise DataCorrupted(f"invalid manifest.json: the archive has no {item.config!r}")
    parsed = parse_image(config)
    names = item.layers or []
    if parsed.os != "linux":
        raise Unsupported(f"cannot load {parsed.os} image on linux")
    _same_length(names, parsed)
    layers = tuple(
        _layer(staging, staging.layer(name), diff_id, name)
        for name, diff_id in zip(names, parsed.rootfs.diff_ids, strict=True)
    )
    references = tuple(map(_tag, item.repo_tags or []))
    parent = Digest(item.parent) if item.parent and is_digest(item.parent) else None
    return Described(config, parsed, _checked(parsed, layers), (), references, parent)


def _same_length(layers: Sequence[object], config: ImageConfig) -> None:
    found = len(config.rootfs.diff_ids)
    if len(layers) != found:
        raise DataCorrupted(f"invalid manifest, layers length mismatch: expected {len(layers)}, got {found}")


def _tag(text: str) -> Reference:
    reference = parse_reference(text)
    if reference.tag is None or reference.digest is not None:
        raise InvalidArgument(f'invalid tag "{text}"')
    return reference


def _layer(staging: Staging, layer: StagedLayer | None, diff_id: Digest, name: str) -> StagedLayer:
    """The archive's layer, or the one that is here already: an archive need not bring that."""
    found = layer or staging.present(diff_id)
    if found is None:
        raise DataCorrupted(f"the archive has no layer {name!r}")
    return found


def _checked(config: ImageConfig, layers: tuple[StagedLayer, ...]) -> tuple[StagedLayer, ...]:
    for index, (layer, expected) in enumerate(zip(layers, config.rootfs.diff_ids, strict=True)):
        if layer.diff_id != expected:
            raise DataCorrupted(f'invalid diffID for layer {index}: expected "{expected}", got "{layer.diff_id}"')
    return layers


def _from_oci(staging: Staging, data: bytes, wanted: Sequence[Platform]) -> list[Described]:
    index = parse_manifest(data, None)
    if not isinstance(index, Index):
        raise DataCorrupted("invalid index.json: it is no index")
    found: dict[Digest, Described] = {}
    for descriptor in index.manifests:
        described = _image(staging, descriptor, wanted, 0)
        if described is None:
            continue
        key = described.manifest[0].digest if described.manifest else descriptor.digest
        references = _references(descriptor)
        earlier = found.get(key)
        together = dict.fromkeys([*(earlier.references if earlier else ()), *references])
        found[key] = _with_references(described, tuple(together))
    if not found:
        raise InvalidArgument(f"the archive holds no image for {wanted[0]}")
    return list(found.values())


def _with_references(described: Described, references: tuple[Reference, ...]) -> Described:
    return Described(
        described.config,
        described.parsed,
        described.layers,
        described.descriptors,
        references,
        described.parent,
        described.manifest,
    )


def _references(descriptor: Descriptor) -> list[Reference]:
    """A full name, in containerd's annotation or in OCI's; a bare tag names nothing."""
    name = descriptor.annotations.get(_NAME) or descriptor.annotations.get(_REF_NAME, "")
    if _NAME not in descriptor.annotations and not ("/" in name or ":" in name):
        return []
    try:
        reference = parse_reference(name).with_default_tag()
    except PierError as error:
        raise InvalidArgument(f"invalid image name {name[:100]!r} in the archive: {error}") from error
    return [reference] if reference.tag and not reference.digest else []


def _image(staging: Staging, descriptor: Descriptor, wanted: Sequence[Platform], depth: int) -> Described | None:
    """The image behind a descriptor; of an index, the one for the first of ``wanted``. None: none is."""
    if _ATTESTATION in descriptor.annotations or depth > _DEEPEST:
        return None
    data = staging.blob(descriptor.digest)
    if data is None:
        return None
    document = parse_manifest(data, descriptor.media_type)
    if isinstance(document, Manifest):
        if not is_image(document):
            return None
        return _from_manifest(staging, document, descriptor, data)
    for platform in wanted:
        for inner in document.manifests:
            if _suits(platform, inner.platform) and (found := _image(staging, inner, wanted, depth + 1)):
                return found
    return None


def _suits(wanted: Platform, offered: Platform | None) -> bool:
    return offered is None or wanted.matches(offered)


def _from_manifest(staging: Staging, manifest: Manifest, descriptor: Descriptor, data: bytes) -> Described:
    config = staging.blob(manifest.config.digest)
    if config is None:
        raise DataCorrupted(f"the archive has no blob {manifest.config.digest}")
    parsed = parse_image(config)
    _same_length(manifest.layers, parsed)
    layers = tuple(
        _layer(staging, staging.layer_blob(each.digest), diff_id, each.digest)
        for each, diff_id in zip(manifest.layers, parsed.rootfs.diff_ids, strict=True)
    )
    plain = Descriptor(descriptor.media_type, descriptor.digest, descriptor.size)
    return Described(config, parsed, _checked(parsed, layers), tuple(manifest.layers), (), None, (plain, data))
