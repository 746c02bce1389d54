"""Image manifests and indexes (OCI image-spec v1.1, Docker schema 2), decoded with limits.

Sources are hostile: a document has a size limit, every descriptor a well-formed digest and a size
that is not negative, and whatever is not understood raises DataCorrupted.
"""

from typing import Any, Final

import msgspec

from pier.errors import DataCorrupted, InvalidArgument, Unsupported
from pier.oci import mediatypes
from pier.oci.digest import Digest, parse_digest
from pier.oci.platform import Platform

MAX_MANIFEST_BYTES: Final = 4 * 1024 * 1024
_MAX_DESCRIPTORS: Final = 10_000
_MAX_SIZE: Final = (1 << 63) - 1


class Descriptor(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """A typed, sized, digested pointer to a blob."""

    media_type: str
    digest: Digest
    size: int
    urls: list[str] = []
    annotations: dict[str, str] = {}
    platform: Platform | None = None
    artifact_type: str = ""


class _Document(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    schema_version: int
    media_type: str


class Manifest(_Document, frozen=True, rename="camel", kw_only=True, omit_defaults=True):
    """One image: its config and its layers, bottom first."""

    config: Descriptor
    layers: list[Descriptor]
    annotations: dict[str, str] = {}
    subject: Descriptor | None = None
    artifact_type: str = ""


class Index(_Document, frozen=True, rename="camel", kw_only=True, omit_defaults=True):
    """Several manifests, usually one a platform."""

    manifests: list[Descriptor]
    annotations: dict[str, str] = {}
    subject: Descriptor | None = None
    artifact_type: str = ""


class _Probe(msgspec.Struct, rename="camel"):
    schema_version: int = 0
    media_type: str | None = None
    manifests: Any = None
    layers: Any = None
    config: Any = None
    fs_layers: Any = None


def parse_manifest(data: bytes, media_type: str | None = None) -> Manifest | Index:
    """Decode ``data``; ``media_type`` is the sender's claim, the document's own field wins.

    Raises DataCorrupted for what is no manifest, Unsupported for Docker's schema 1.
    """
    if len(data) > MAX_MANIFEST_BYTES:
        raise DataCorrupted(f"manifest is larger than {MAX_MANIFEST_BYTES} bytes")
    try:
        probe = msgspec.json.decode(data, type=_Probe)
        kind = probe.media_type or _known(media_type) or _guess(probe)
        if probe.schema_version == 1 or kind in mediatypes.DOCKER_SCHEMA1:
            raise Unsupported(
                f"media type {mediatypes.DOCKER_SCHEMA1[1]!r} is no longer supported: "
                "rebuild the image and push it with a current client"
            )
        _unambiguous(probe, kind)
        document = _decode(data, kind)
        _check(document)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError, InvalidArgument) as error:
        raise DataCorrupted(f"invalid manifest: {error}") from error
    return document


def encode(document: Manifest | Index) -> bytes:
    return msgspec.json.encode(document)


def _known(media_type: str | None) -> str | None:
    media_type = (media_type or "").partition(";")[0].strip()
    return media_type if media_type in (*mediatypes.MANIFEST_TYPES, *mediatypes.DOCKER_SCHEMA1) else None


def _guess(probe: _Probe) -> str:
    if probe.fs_layers is not None:
        return mediatypes.DOCKER_SCHEMA1[1]
    if probe.manifests is not None and probe.layers is None:
        return mediatypes.OCI_INDEX
    return mediatypes.OCI_MANIFEST


def _unambiguous(probe: _Probe, kind: str) -> None:
    """OCI's two kinds in one document would be one image to some and another to others (CVE-2021-41190)."""
    if kind == mediatypes.OCI_MANIFEST and probe.manifests is not None:
        raise DataCorrupted("invalid manifest: expected manifest but found index")
    if kind == mediatypes.OCI_INDEX and (probe.layers is not None or probe.config is not None):
        raise DataCorrupted("invalid manifest: expected index but found manifest")


def _decode(data: bytes, kind: str) -> Manifest | Index:
    if not (mediatypes.is_index(kind) or mediatypes.is_manifest(kind)):
        raise DataCorrupted(f"unknown manifest media type {kind!r}")
    raw = msgspec.json.decode(data)
    empty: dict[str, Any] = {name: [] for name in ("layers", "manifests") if raw.get(name, ...) is None}
    fields = _without_nulls({**raw, **empty, "mediaType": kind})
    if mediatypes.is_index(kind):
        return msgspec.convert(fields, Index)
    return msgspec.convert(fields, Manifest)


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(inner) for key, inner in value.items() if inner is not None}
    if isinstance(value, list):
        return [_without_nulls(inner) for inner in value]
    return value


def _check(document: Manifest | Index) -> None:
    descriptors = document.manifests if isinstance(document, Index) else [document.config, *document.layers]
    if len(descriptors) > _MAX_DESCRIPTORS:
        raise DataCorrupted(f"manifest names more than {_MAX_DESCRIPTORS} blobs")
    for descriptor in descriptors:
        parse_digest(descriptor.digest)
        if not 0 <= descriptor.size <= _MAX_SIZE:
            raise DataCorrupted(f"invalid manifest: blob {descriptor.digest} has an impossible size")
