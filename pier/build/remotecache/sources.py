"""Where a cache is read from: a registry, or a folder that is an OCI layout. Both are strangers'."""

import asyncio
import os
import stat
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from pathlib import Path
from typing import Final, Protocol

import msgspec

from pier.build.cache import CacheRecord
from pier.build.remotecache.format import CONFIG_TYPE, INLINE, MAX_BYTES, MOUNT, CachedContent, decode
from pier.build.threads import in_thread
from pier.errors import DataCorrupted, NotFound
from pier.linux.files import open_in_root
from pier.oci import mediatypes
from pier.oci.digest import Digest, hex_of, sha256
from pier.oci.image import MAX_CONFIG_BYTES, parse_config
from pier.oci.manifest import MAX_MANIFEST_BYTES, Descriptor, Index, Manifest, parse_manifest
from pier.oci.reference import Reference
from pier.remote import fetch
from pier.remote.repository import Repository

_PIECE: Final = 1 << 20
_MOST_IMAGES: Final = 32
_PASSED_OVER: Final = "ignoring a cache in BuildKit's own format: export it again with Pier"
_BUILDKIT: Final = ("application/vnd.buildkit.cacheconfig.v0", "moby.buildkit.cache.v0")


class Source(Protocol):
    """Blobs by digest. What ``read`` gives has its digest; what ``pieces`` gives is for the caller to check."""

    async def root(self) -> tuple[bytes, str]:
        """The manifest or index that the source stands for, and its media type."""

    async def manifest(self, descriptor: Descriptor) -> bytes: ...

    async def read(self, descriptor: Descriptor, limit: int) -> bytes: ...

    def pieces(self, descriptor: Descriptor, offset: int) -> AsyncIterator[bytes]: ...


class RegistrySource:
    def __init__(self, repository: Repository) -> None:
        self.repository = repository

    async def root(self) -> tuple[bytes, str]:
        found = await fetch.manifest(self.repository, self.repository.reference)
        return found.data, found.media_type

    async def manifest(self, descriptor: Descriptor) -> bytes:
        reference: Reference = self.repository.reference.with_digest(descriptor.digest)
        return (await fetch.manifest(self.repository, reference)).data

    async def read(self, descriptor: Descriptor, limit: int) -> bytes:
        return await fetch.small_blob(self.repository, descriptor, limit)

    def pieces(self, descriptor: Descriptor, offset: int) -> AsyncIterator[bytes]:
        return fetch.blob(self.repository, descriptor, offset)


class FolderSource:
    """``root`` is the layout's folder; ``tag`` or ``digest`` chooses in its index, else its first entry."""

    def __init__(self, folder: Path, tag: str = "", digest: str = "") -> None:
        self._folder = folder
        self._tag = tag
        self._digest = digest

    async def root(self) -> tuple[bytes, str]:
        index = parse_manifest(await asyncio.to_thread(self._small, "index.json", MAX_MANIFEST_BYTES), None)
        if not isinstance(index, Index):
            raise DataCorrupted("invalid index.json: it is no index")
        chosen = next((entry for entry in index.manifests if self._is_meant(entry)), None)
        if chosen is None:
            raise NotFound(f"could not read {self._digest or self._tag or 'any manifest'} from the cache's index.json")
        return await self.manifest(chosen), chosen.media_type

    def _is_meant(self, entry: Descriptor) -> bool:
        if self._digest:
            return entry.digest == self._digest
        return not self._tag or entry.annotations.get("org.opencontainers.image.ref.name") == self._tag

    async def manifest(self, descriptor: Descriptor) -> bytes:
        return await self.read(descriptor, MAX_MANIFEST_BYTES)

    async def read(self, descriptor: Descriptor, limit: int) -> bytes:
        data = await asyncio.to_thread(self._small, _blob(descriptor.digest), limit)
        if sha256(data) != descriptor.digest:
            raise DataCorrupted(f"blob {descriptor.digest} of the cache does not have that digest")
        return data

    async def pieces(self, descriptor: Descriptor, offset: int) -> AsyncGenerator[bytes, None]:
        file = self._open(_blob(descriptor.digest))
        try:
            while data := await in_thread(os.pread, file, _PIECE, offset):
                offset += len(data)
                yield data
        finally:
            os.close(file)

    def _small(self, path: str, limit: int) -> bytes:
        file = self._open(path)
        try:
            if os.fstat(file).st_size > limit:
                raise DataCorrupted(f"{path} of the cache is larger than {limit} bytes")
            return os.pread(file, limit, 0)
        finally:
            os.close(file)

    def _open(self, path: str) -> int:
        """A regular file below the folder, whatever links lie in it; its descriptor. Raises NotFound."""
        flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            file = open_in_root(self._folder, path, flags, follow=False)
        except OSError as error:
            raise NotFound(f"could not read {path} of the cache: {error.strerror}") from error
        if stat.S_ISREG(os.fstat(file).st_mode):
            return file
        os.close(file)
        raise DataCorrupted(f"{path} of the cache is no file")


class Found(msgspec.Struct, frozen=True):
    """``blobs``: by diff ID. ``mounts``: the blobs of cache mounts, by ID. ``notes``: what was passed over."""

    records: tuple[CacheRecord, ...] = ()
    contents: tuple[CachedContent, ...] = ()
    blobs: dict[Digest, Descriptor] = {}
    mounts: dict[str, Descriptor] = {}
    notes: tuple[str, ...] = ()


async def read(source: Source) -> Found:
    """The cache that ``source`` stands for, its layers left where they are.

    An image with a cache in its config is one, too; of an index, all its images count. Raises DataCorrupted,
    NotFound, and what a registry refuses.
    """
    data, media_type = await source.root()
    document = parse_manifest(data, media_type)
    if isinstance(document, Manifest):
        return await _from_manifest(source, document)
    if any(entry.media_type in _BUILDKIT for entry in document.manifests):
        return Found(notes=(_PASSED_OVER,))
    entries = [entry for entry in document.manifests if mediatypes.is_manifest(entry.media_type)]
    found: list[Found] = []
    for entry in entries[:_MOST_IMAGES]:
        inner = parse_manifest(await source.manifest(entry), entry.media_type)
        if isinstance(inner, Manifest):
            found.append(await _from_manifest(source, inner))
    return merged(found)


def merged(found: Sequence[Found]) -> Found:
    """What several have together; where they contradict each other, the first one counts."""
    return Found(
        tuple(record for each in found for record in each.records),
        tuple(content for each in found for content in each.contents),
        {diff_id: blob for each in reversed(found) for diff_id, blob in each.blobs.items()},
        {name: blob for each in reversed(found) for name, blob in each.mounts.items()},
        tuple(dict.fromkeys(note for each in found for note in each.notes)),
    )


async def _from_manifest(source: Source, manifest: Manifest) -> Found:
    kind = manifest.config.media_type
    if kind == CONFIG_TYPE:
        cache = await asyncio.to_thread(decode, await source.read(manifest.config, MAX_BYTES))
        mounts = {layer.annotations[MOUNT]: layer for layer in manifest.layers if MOUNT in layer.annotations}
        blobs = {layer.diff_id: layer.blob for layer in cache.layers if layer.blob is not None}
        return Found(tuple(cache.records()), cache.contents, blobs, mounts)
    if kind in _BUILDKIT:
        return Found(notes=(_PASSED_OVER,))
    return await asyncio.to_thread(_from_image, await source.read(manifest.config, MAX_CONFIG_BYTES), manifest)


def _from_image(config: bytes, manifest: Manifest) -> Found:
    diff_ids = parse_config(config).rootfs.diff_ids
    fields = msgspec.json.decode(config, type=dict[str, msgspec.Raw])
    if INLINE not in fields:
        return Found(notes=(_PASSED_OVER if _BUILDKIT[1] in fields else "the image has no build cache in it",))
    cache = decode(bytes(fields[INLINE]))
    blobs = dict(zip(diff_ids, manifest.layers, strict=True)) if len(diff_ids) == len(manifest.layers) else {}
    return Found(tuple(cache.records()), cache.contents, blobs)


def _blob(digest: Digest) -> str:
    return f"blobs/sha256/{hex_of(digest)}"
