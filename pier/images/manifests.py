"""Manifests as they lie on a registry, read and written without an image here: ``docker manifest``'s other half.

The client composes a manifest list of what :func:`read` gives it, and hands the bytes to :func:`write`.
"""

import base64
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import msgspec

from pier.errors import DataCorrupted, Forbidden, InvalidArgument, NotFound, Unavailable
from pier.images.deps import Progress
from pier.oci import mediatypes
from pier.oci.digest import Digest, sha256
from pier.oci.image import MAX_CONFIG_BYTES
from pier.oci.manifest import Descriptor, Index, Manifest, parse_manifest
from pier.oci.reference import Reference
from pier.remote import fetch, push
from pier.remote.client import Registries
from pier.remote.fetch import FetchedManifest
from pier.remote.repository import Repository
from pier.remote.settings import Credentials

_PLATFORM = ("architecture", "os", "os.version", "os.features", "variant")

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Entry:
    """A manifest to put: its bytes, their media type, and the repository in which its blobs are."""

    raw: bytes
    media_type: str
    source: Reference


async def read(registries: Registries, reference: Reference, credentials: Credentials | None) -> Json:
    """What ``reference`` names: ``{"List": bool, "Manifests": [{"Descriptor", "Raw": base64}]}``.

    A list comes as the manifests that it names, each with the list's word on its platform; the platform of a
    single manifest is what its config says. Raises NotFound, Forbidden and Unavailable in Docker's words.
    """
    repository = await _reached(registries, reference, credentials, push=False)
    found, parsed = await _one(repository, reference)
    if isinstance(parsed, Manifest):
        return {"List": False, "Manifests": [_described(found, parsed, await _platform(repository, parsed))]}
    platforms = [entry.get("platform") for entry in msgspec.json.decode(found.data)["manifests"] or []]
    manifests = [
        await _listed(repository, reference.with_digest(entry.digest), platform)
        for entry, platform in zip(parsed.manifests, platforms, strict=True)
    ]
    return {"List": True, "Manifests": manifests}


async def _reached(
    registries: Registries, reference: Reference, credentials: Credentials | None, *, push: bool
) -> Repository:
    try:
        return await registries.repository(reference, credentials, push=push)
    except Unavailable as error:
        raise Unavailable(f"failed to configure transport: error pinging v2 registry: {error}") from error


async def _one(repository: Repository, reference: Reference) -> tuple[FetchedManifest, Manifest | Index]:
    try:
        found = await fetch.manifest(repository, reference)
    except NotFound as error:
        if isinstance(error.__cause__, Forbidden):
            raise Forbidden(str(error.__cause__)) from error
        raise NotFound(f"no such manifest: {reference.canonical}") from error
    return found, parse_manifest(found.data, found.media_type)


async def _listed(repository: Repository, reference: Reference, platform: Any) -> Json:
    found, parsed = await _one(repository, reference)
    if isinstance(parsed, Index):
        raise DataCorrupted(f"{reference.canonical} is a manifest list within a manifest list")
    return _described(found, parsed, platform if isinstance(platform, dict) else {})


def _described(found: FetchedManifest, parsed: Manifest, platform: Json) -> Json:
    known = {key: platform[key] for key in _PLATFORM if platform.get(key)}
    shown = {"architecture": "", "os": "", **known}
    descriptor = {"mediaType": parsed.media_type, "digest": found.digest, "size": len(found.data), "platform": shown}
    return {"Descriptor": descriptor, "Raw": base64.b64encode(found.data).decode()}


async def _platform(repository: Repository, parsed: Manifest) -> Json:
    if parsed.config.media_type not in (mediatypes.DOCKER_CONFIG, mediatypes.OCI_CONFIG):
        return {}
    try:
        config = msgspec.json.decode(await fetch.small_blob(repository, parsed.config, MAX_CONFIG_BYTES))
    except msgspec.DecodeError as error:
        raise DataCorrupted(f"image config {parsed.config.digest} is not JSON: {error}") from error
    return config if isinstance(config, dict) else {}


async def write(
    registries: Registries,
    target: Reference,
    entries: list[Entry],
    document: tuple[bytes, str],
    credentials: Credentials | None,
    progress: Progress,
) -> Digest:
    """Bring ``entries`` of other repositories, and their blobs, to ``target``'s; then the list ``document`` itself.

    Blobs are mounted, or copied where the registry does not mount. Says what was
    pushed, and the list's digest as ``aux``. Raises the kinds of a registry that refuses.
    """
    repository = await _reached(registries, target, credentials, push=True)
    for entry in entries:
        parsed = parse_manifest(entry.raw, entry.media_type)
        if isinstance(parsed, Index):
            raise InvalidArgument(f"{entry.source.canonical} is a manifest list")
        if entry.source.path == target.path:
            continue
        source = await registries.repository(entry.source, credentials)
        await _bring(repository, source, [parsed.config, *parsed.layers])
        digest = sha256(entry.raw)
        await push.put_manifest(repository, digest, entry.raw, parsed.media_type)
        progress({"status": f"Pushed ref {target.name}@{digest} with digest: {digest}"})
    raw, media_type = document
    parse_manifest(raw, media_type)
    digest = await push.put_manifest(repository, target.tag or sha256(raw), raw, media_type)
    progress({"aux": {"Digest": digest, "Size": len(raw)}})
    return digest


async def _bring(repository: Repository, source: Repository, blobs: list[Descriptor]) -> None:
    for blob in blobs:
        if mediatypes.is_foreign_layer(blob.media_type):
            continue
        if await push.exists(repository, blob.digest) or await push.mount(repository, blob.digest, source.name):
            continue
        await _copy(repository, source, blob)


async def _copy(repository: Repository, source: Repository, blob: Descriptor) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        async for piece in fetch.blob(source, blob):
            yield piece

    await push.upload(repository, pieces, blob)
