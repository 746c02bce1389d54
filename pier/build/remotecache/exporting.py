"""Giving the build's cache away: to a registry, to a folder of the client's, or inside the image itself.

``mode=min`` takes the layers of the result along, ``mode=max`` those of every step. Records travel in either mode:
they are small, and without them a later build could not even tell the keys of the steps whose layers it has.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from pier.build.cache import CacheRecord
from pier.build.caching.held import own_chains
from pier.build.deps import Build
from pier.build.export.concurrently import concurrently
from pier.build.export.forms import Compression, form, pieces
from pier.build.export.layout import Blob, Plan, archive
from pier.build.export.outputs import COMPRESSIONS, flag
from pier.build.export.steps import Step, step
from pier.build.graph import Rootfs
from pier.build.remotecache.format import CONFIG_TYPE, MOUNT, describe, encode
from pier.build.remotecache.importing import imported
from pier.build.remotecache.mounts import mount_blobs
from pier.build.remotecache.records import contents_of
from pier.build.request import CacheSpec
from pier.errors import InvalidArgument, PierError
from pier.oci import mediatypes
from pier.oci.digest import Digest, sha256
from pier.oci.image import chain_ids
from pier.oci.manifest import Descriptor, Manifest
from pier.oci.manifest import encode as encode_manifest
from pier.oci.reference import parse_reference
from pier.remote import push as remote
from pier.remote.repository import Repository

_TITLES: Final = {"registry": "exporting cache to registry", "local": "exporting cache to client directory"}

_AT_ONCE: Final = 4

Blobs = dict[Digest, Blob]
"""By diff ID."""


@dataclass(frozen=True, slots=True)
class _Given:
    """What :func:`export_cache` was given."""

    records: Sequence[CacheRecord]
    results: set[Rootfs]
    mounts: Mapping[str, Path]


async def export_cache(
    build: Build,
    records: Sequence[CacheRecord],
    results: Iterable[Rootfs],
    mounts: Mapping[str, Path] | None = None,
) -> None:
    """Export ``records`` to all that the request names but inline. ``results``: what the targets came to.

    ``mounts``: the folders of the build's cache mounts by ID, for those that ask for ``mounts=true``.

    Raises what a registry or the client refuses, unless the request says ``ignore-error=true``.
    """
    given = _Given(records, set(results), mounts or {})
    for index, spec in enumerate(build.request.cache_to):
        if spec.type == "inline":
            continue
        try:
            with step(build.progress, f"{build.request.id} {index}", _TITLES[spec.type]) as shown:
                await _export(build, index, given, shown)
        except PierError:
            if not flag(spec.attributes, "ignore-error", False):
                raise


async def _export(build: Build, index: int, given: _Given, shown: Step) -> None:
    spec = build.request.cache_to[index]
    repository = await _repository(build, spec) if spec.type == "registry" else None
    async with AsyncExitStack() as stack:
        with shown.part("preparing build cache for export"):
            blobs = await _blobs(build, _taken(given, spec.attributes.get("mode", "min")), spec, repository, stack)
            descriptors = {diff_id: blob.descriptor for diff_id, blob in blobs.items()}
            config = encode(describe(given.records, contents_of(build), descriptors))
            packed = await _mounts(build, given, stack) if flag(spec.attributes, "mounts", False) else []
        once = {blob.descriptor.digest: blob for blob in (*blobs.values(), *packed)}
        manifest = _manifest(config, [blob.descriptor for blob in once.values()])
        if repository is not None:
            await _to_registry(build, repository, once, config, manifest, shown)
        else:
            await _to_client(build, len(build.request.outputs) + index, once, config, manifest, shown)


async def _repository(build: Build, spec: CacheSpec) -> Repository:
    reference = parse_reference(spec.attributes["ref"]).with_default_tag()
    credentials = await build.session.credentials(reference.domain)
    return await build.deps.registries.repository(reference, credentials, push=True)


def _taken(given: _Given, mode: str) -> dict[Digest, Digest]:
    """The layers that travel: chain IDs by diff ID. Those of base images are had from where the images are."""
    own = {chain: diff_id for record in given.records for chain, diff_id in _own(record)}
    if mode == "min":
        kept = {chain for rootfs in given.results for chain in chain_ids(rootfs.diff_ids)}
        own = {chain: diff_id for chain, diff_id in own.items() if chain in kept}
    return {diff_id: chain for chain, diff_id in own.items()}


def _own(record: CacheRecord) -> Iterable[tuple[Digest, Digest]]:
    chains = own_chains(record)
    return zip(chains, record.diff_ids[len(record.diff_ids) - len(chains) :], strict=True)


def _compression(attributes: Mapping[str, str]) -> Compression:
    kind = attributes.get("compression", "gzip")
    level = attributes.get("compression-level", "")
    if kind not in COMPRESSIONS or not (level.isdecimal() or not level):
        raise InvalidArgument(f"unsupported compression type {kind} {level}".rstrip())
    return Compression(kind, int(level) if level else None, flag(attributes, "force-compression", False))


async def _blobs(
    build: Build,
    diff_ids: Mapping[Digest, Digest],
    spec: CacheSpec,
    repository: Repository | None,
    stack: AsyncExitStack,
) -> Blobs:
    """The layers as blobs: of those that are here; and, of those that never came, from where they lie."""
    images, layers = build.deps.images, build.deps.snapshots.layers()
    compression = _compression(spec.attributes)
    there = partial(remote.exists, repository) if repository is not None else None
    elsewhere = imported(build)
    slots = asyncio.Semaphore(_AT_ONCE)
    stack.enter_context(images.pins.hold(diff_ids.values()))

    async def one(diff_id: Digest, chain: Digest) -> Blob | None:
        layer = layers.get(chain) or build.deps.snapshots.with_diff(diff_id)
        if layer is not None:
            stack.enter_context(images.pins.hold([layer.chain_id]))
            async with slots:
                described = await form(images, layer, compression, stack, there)
            return Blob(described, partial(pieces, images, layer, described))
        place = elsewhere.place(diff_id) if elsewhere is not None else None
        return Blob(place[1], partial(place[0].pieces, place[1], 0)) if place is not None else None

    found = await concurrently(one(diff_id, chain) for diff_id, chain in diff_ids.items())
    return {diff_id: blob for diff_id, blob in zip(diff_ids, found, strict=True) if blob is not None}


async def _mounts(build: Build, given: _Given, stack: AsyncExitStack) -> list[Blob]:
    """The cache mounts of this machine; and those that it never needed, as they came."""
    packed = await mount_blobs(build.deps.images, given.mounts, stack)
    elsewhere = imported(build)
    here = {blob.descriptor.annotations[MOUNT] for blob in packed}
    for name in elsewhere.mounts() if elsewhere is not None else ():
        if name not in here and elsewhere is not None and (place := elsewhere.mount(name)) is not None:
            packed.append(Blob(place[1], partial(place[0].pieces, place[1], 0)))
    return packed


def _manifest(config: bytes, layers: Sequence[Descriptor]) -> bytes:
    return encode_manifest(
        Manifest(
            schema_version=2,
            media_type=mediatypes.OCI_MANIFEST,
            config=Descriptor(CONFIG_TYPE, sha256(config), len(config)),
            layers=list(layers),
        )
    )


async def _to_registry(
    build: Build, repository: Repository, blobs: Blobs, config: bytes, manifest: bytes, shown: Step
) -> None:
    await concurrently(_upload(build, repository, blob, shown) for blob in blobs.values())
    with shown.part(f"writing config {sha256(config)}"):
        described = Descriptor(CONFIG_TYPE, sha256(config), len(config))
        await remote.upload(repository, lambda: _bytes(config), described)
    with shown.part(f"writing cache manifest {sha256(manifest)}"):
        await remote.put_manifest(repository, repository.reference.tag or "latest", manifest, mediatypes.OCI_MANIFEST)


async def _upload(build: Build, repository: Repository, blob: Blob, shown: Step) -> None:
    async with build.deps.registries.uploads:
        with shown.part(f"writing layer {blob.descriptor.digest}"):
            if not await remote.exists(repository, blob.descriptor.digest):
                await remote.upload(repository, blob.pieces, blob.descriptor)


async def _bytes(data: bytes) -> AsyncIterator[bytes]:
    yield data


async def _to_client(build: Build, output: int, blobs: Blobs, config: bytes, manifest: bytes, shown: Step) -> None:
    root = Descriptor(
        mediatypes.OCI_MANIFEST,
        sha256(manifest),
        len(manifest),
        annotations={"org.opencontainers.image.ref.name": "latest"},
    )
    planned = Plan(list(blobs.values()), {sha256(config): config, sha256(manifest): manifest}, root, [])
    with shown.part("copying files"):
        async with aclosing(archive(planned, ())) as chunks:
            await build.session.export_tar(output, chunks)
