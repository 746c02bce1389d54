"""A manifest comes in, under a tag or its digest."""

from collections.abc import Collection
from dataclasses import dataclass

import msgspec

from pier.errors import InvalidArgument
from pier.oci.digest import Digest, parse_digest
from pier.registry import names
from pier.registry.deps import Registry
from pier.registry.happenings import Happening
from pier.registry.manifests import document
from pier.registry.model import Manifest
from pier.registry.refusals import Code, Refusal


@dataclass(frozen=True, slots=True)
class Stored:
    """``moved`` are the tags that are new or that named something else before."""

    manifest: Manifest
    moved: list[str]


async def put(
    registry: Registry,
    repository: str,
    reference: str,
    content_type: str,
    data: bytes,
    by: str = "",
    *,
    holder: str = "",
) -> Stored:
    """Store ``data`` as it is. ``reference`` is the tag it gets, or its own digest; ``holder`` has leased its blobs.

    Raises Refusal: TAG_INVALID, DIGEST_INVALID, MANIFEST_INVALID, MANIFEST_BLOB_UNKNOWN, DENIED.
    """
    names.repository(repository)
    digest, tags = _named(reference)
    manifest, elsewhere = document.read(data, content_type)
    if digest and digest != manifest.digest:
        raise Refusal(
            Code.DIGEST_INVALID, "provided digest did not match uploaded content", {"digest": manifest.digest}
        )
    now = registry.now()
    manifest = msgspec.structs.replace(await _here(registry, repository, manifest, elsewhere), pushed=now)
    happening = Happening(
        kind="push",
        repository=repository,
        digest=manifest.digest,
        media_type=manifest.media_type,
        size=len(data),
        tags=tuple(tags),
        by=by,
        at=now,
    )
    moved = await _stored(registry, happening, manifest, holder)
    return Stored(manifest, moved)


async def _stored(registry: Registry, happening: Happening, manifest: Manifest, holder: str) -> list[str]:
    """A push that is denied gives back what it has brought: it would count towards the project's quota."""
    try:
        return await registry.records.put_manifest(
            happening.repository,
            manifest,
            happening.tags,
            manifest.pushed,
            holder,
            plan=lambda digest, tags: registry.plan(happening),
        )
    except Refusal as refusal:
        if refusal.code is Code.DENIED:
            await registry.records.release(happening.repository, [each.digest for each in manifest.references], holder)
        raise


def _named(reference: str) -> tuple[Digest | None, list[str]]:
    """The digest that ``reference`` is, or the tags that it is."""
    if ":" not in reference:
        return None, [names.tag(reference)]
    try:
        return parse_digest(reference), []
    except InvalidArgument as error:
        raise Refusal(Code.DIGEST_INVALID, str(error), {"digest": reference[:255]}) from error


async def _here(registry: Registry, repository: str, manifest: Manifest, elsewhere: Collection[Digest]) -> Manifest:
    """Without the references to layers that lie elsewhere, and that nobody pushed here all the same."""
    if not elsewhere:
        return manifest
    absent = {digest for digest in elsewhere if await registry.records.blob(repository, digest) is None}
    kept = tuple(each for each in manifest.references if each.digest not in absent)
    return msgspec.structs.replace(manifest, references=kept)
