"""A manifest as it was pushed, to what the registry has to know of it (pure).

More is let in than an engine could run: artifacts without layers, configs of any type, annotations on everything. What
is refused is what the registry could not keep whole, because it cannot tell what it refers to; and what means one
thing to one client and another to the next.
"""

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from pier.errors import InvalidArgument
from pier.oci import mediatypes
from pier.oci.digest import Digest, parse_digest, sha256
from pier.registry.model import Manifest, Reference
from pier.registry.refusals import Code, Refusal

ARTIFACTS: Final = (
    "application/vnd.oci.artifact.manifest.v1+json",
    "application/vnd.cncf.oras.artifact.manifest.v1+json",
)
"""Manifests that ``blobs`` make, of OCI 1.1's drafts and of ORAS: there are still clients that push them."""

TYPES: Final = (*mediatypes.MANIFEST_TYPES, *ARTIFACTS)
_MOST_DESCRIPTORS: Final = 10_000
_LARGEST: Final = (1 << 63) - 1


class _Descriptor(msgspec.Struct, rename="camel"):
    digest: str
    size: int
    media_type: str = ""
    urls: list[str] | None = None


class _Document(msgspec.Struct, rename="camel"):
    schema_version: int | None = None
    media_type: str | None = None
    config: _Descriptor | None = None
    layers: list[_Descriptor] | None = None
    blobs: list[_Descriptor] | None = None
    manifests: list[_Descriptor] | None = None
    fs_layers: Any = None
    subject: _Descriptor | None = None
    artifact_type: str | None = None
    annotations: dict[str, str] | None = None


def read(data: bytes, content_type: str) -> tuple[Manifest, frozenset[Digest]]:
    """The manifest, and those of its references that need not be here (layers that lie at addresses of their own).

    ``content_type`` is the client's claim. Raises Refusal MANIFEST_INVALID.
    """
    try:
        document = msgspec.json.decode(data, type=_Document)
        media_type = _type_of(document, content_type.partition(";")[0].strip().lower())
        references, elsewhere = _references(document, media_type)
        subject = parse_digest(document.subject.digest) if document.subject else None
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError, InvalidArgument) as error:
        raise invalid(str(error)) from error
    config = document.config
    known = Manifest(
        digest=sha256(data),
        media_type=media_type,
        data=data,
        artifact_type=document.artifact_type or (config.media_type if config else ""),
        annotations=document.annotations or {},
        subject=subject,
        config=Digest(config.digest) if config else None,
        size=min(len(data) + sum(each.size for each in references), _LARGEST),
        references=references,
    )
    return known, elsewhere


def invalid(reason: str) -> Refusal:
    return Refusal(Code.MANIFEST_INVALID, "manifest invalid", reason)


def _type_of(document: _Document, claimed: str) -> str:
    if document.schema_version == 1 or document.fs_layers is not None or claimed in mediatypes.DOCKER_SCHEMA1:
        raise invalid("schema 1 manifests are no longer supported: build and push the image with a current client")
    stated = document.media_type or ""
    if claimed in ("", "application/json", "application/octet-stream"):
        claimed = stated or _guess(document)
    if stated and stated != claimed:
        raise invalid(f"the manifest says that it is {stated!r}, the Content-Type {claimed!r}")
    if claimed not in TYPES:
        raise invalid(f"unknown manifest media type {claimed!r}: what it refers to could not be kept")
    return claimed


def _guess(document: _Document) -> str:
    return mediatypes.OCI_MANIFEST if document.manifests is None else mediatypes.OCI_INDEX


def _references(document: _Document, media_type: str) -> tuple[tuple[Reference, ...], frozenset[Digest]]:
    """Each digest once. Raises Refusal where fields of two kinds of manifest stand in one document."""
    if mediatypes.is_index(media_type):
        _without(document, "config", "layers", "blobs")
        return _unique(document.manifests or (), "manifest"), frozenset()
    if media_type in ARTIFACTS:
        _without(document, "config", "layers", "manifests")
        return _unique(document.blobs or (), "blob"), frozenset()
    _without(document, "manifests", "blobs")
    if document.config is None:
        raise invalid("an image's manifest needs a config")
    layers = document.layers or []
    elsewhere = frozenset(Digest(each.digest) for each in layers if each.urls)
    return _unique((document.config, *layers), "blob"), elsewhere - {Digest(document.config.digest)}


def _without(document: _Document, *fields: str) -> None:
    """A document that is an image to one reader and an index to another is neither (CVE-2021-41190)."""
    for field in fields:
        if getattr(document, field) is not None:
            raise invalid(f"{field!r} has no place in a manifest of this media type")


def _unique(descriptors: Iterable[_Descriptor], kind: Any) -> tuple[Reference, ...]:
    """What an index names is a blob where no manifest here has its type: BuildKit's cache is an index of layers."""
    found: dict[Digest, Reference] = {}
    for count, each in enumerate(descriptors):
        if count >= _MOST_DESCRIPTORS:
            raise invalid(f"it refers to more than {_MOST_DESCRIPTORS} blobs")
        if not 0 <= each.size <= _LARGEST:
            raise invalid(f"{each.digest} cannot have {each.size} bytes")
        digest = parse_digest(each.digest)
        own: Any = "blob" if each.media_type not in ("", *TYPES) else kind
        found.setdefault(digest, Reference(digest, own, each.size))
    return tuple(found.values())
