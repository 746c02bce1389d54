"""The content folder's own ``index.json``: what other tools see when they read it as an OCI image layout.

An image is listed under each of its tags when every blob of its manifest is there, which is so once it was
pulled. Layers that came uncompressed (``load``) are kept as files and a skeleton, not as blobs: such an image
is not listed until it was pushed, and is reached through ``save``. Readers of layouts pass over manifests of
Docker's own media type, so those are listed in their OCI form, which differs in nothing else.
"""

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from typing import Final

import msgspec

from pier.errors import DataCorrupted, NotFound, PierError
from pier.events.filters import Filters
from pier.images.deps import Images
from pier.images.image import Image
from pier.log import Logger
from pier.oci import mediatypes
from pier.oci.digest import Digest, sha256
from pier.oci.manifest import Descriptor, Index, Manifest, parse_manifest
from pier.oci.reference import parse_reference

_NAME: Final = "org.opencontainers.image.ref.name"
_SETTLE: Final = 0.2
_OCI_TYPES: Final = {
    mediatypes.DOCKER_MANIFEST: mediatypes.OCI_MANIFEST,
    mediatypes.DOCKER_CONFIG: mediatypes.OCI_CONFIG,
    mediatypes.DOCKER_LAYER_GZIP: mediatypes.OCI_LAYER_GZIP,
    mediatypes.DOCKER_LAYER: mediatypes.OCI_LAYER,
}

_log = Logger("pier.images")


class ContentIndex:
    """Writes the index, and remembers what it has read of manifests, which never change.

    The manifests that it makes are blobs of its own: pinned while they are listed, deleted afterwards.
    """

    def __init__(self, images: Images) -> None:
        self._images = images
        self._manifests: dict[Digest, Manifest | None] = {}
        self._made: set[Digest] = set()
        self._pins = ExitStack()

    async def keep(self) -> None:
        """Write it now, and again soon after images have changed; ends with the event bus."""
        async with self._images.events.subscribe(filters=Filters({"type": ("image",)})) as changes:
            await self._attempt()
            async for _ in changes:
                await asyncio.sleep(_SETTLE)  # events come in swarms
                changes.clear()
                await self._attempt()

    async def _attempt(self) -> None:
        try:
            await self.write()
        except (PierError, OSError) as error:  # a full disk: the next change brings the next attempt
            _log.warning("the content index was not written", error=error)

    async def write(self) -> None:
        """Write it as things are."""
        listed, made = await asyncio.to_thread(self._list)
        pins = ExitStack()
        pins.enter_context(self._images.pins.hold(made))
        try:
            await asyncio.to_thread(self._store, listed, made)
        except BaseException:
            pins.close()
            raise
        self._pins.close()
        self._pins = pins
        for digest in self._made - made.keys():
            self._images.content.delete(digest)
        self._made = set(made)

    def _list(self) -> tuple[list[Descriptor], dict[Digest, bytes]]:
        """The index's entries, ordered by name, and the manifests to be made for it."""
        listed: list[Descriptor] = []
        made: dict[Digest, bytes] = {}
        for image in self._images.store.list():
            manifest = self._manifest(image)
            if manifest is None or image.manifest is None:
                continue
            descriptor = image.manifest
            if descriptor.media_type == mediatypes.DOCKER_MANIFEST:
                data = _as_oci(manifest)
                descriptor = Descriptor(mediatypes.OCI_MANIFEST, sha256(data), len(data))
                made[descriptor.digest] = data
            listed += _entries(descriptor, image.repo_tags)
        return sorted(listed, key=lambda entry: entry.annotations[_NAME]), made

    def _manifest(self, image: Image) -> Manifest | None:
        """What ``image`` was pulled with, if all its blobs are there."""
        if image.manifest is None or not image.repo_tags:
            return None
        digest = image.manifest.digest
        if digest not in self._manifests:
            self._manifests[digest] = self._read(image.manifest)
        manifest = self._manifests[digest]
        if manifest is None:
            return None
        blobs = (digest, manifest.config.digest, *(layer.digest for layer in manifest.layers))
        return manifest if all(map(self._images.content.exists, blobs)) else None

    def _read(self, descriptor: Descriptor) -> Manifest | None:
        try:
            found = parse_manifest(self._images.content.read(descriptor.digest), descriptor.media_type)
        except (NotFound, DataCorrupted):
            return None
        return found if isinstance(found, Manifest) else None

    def _store(self, listed: list[Descriptor], made: Mapping[Digest, bytes]) -> None:
        for data in made.values():
            self._images.content.put(data)
        index = Index(schema_version=2, media_type=mediatypes.OCI_INDEX, manifests=listed)
        self._images.content.set_index(msgspec.json.encode(index))


def _as_oci(manifest: Manifest) -> bytes:
    """The same image in the OCI's media types."""
    oci = msgspec.structs.replace(
        manifest,
        media_type=mediatypes.OCI_MANIFEST,
        config=_retyped(manifest.config),
        layers=[_retyped(layer) for layer in manifest.layers],
    )
    return msgspec.json.encode(oci)


def _retyped(blob: Descriptor) -> Descriptor:
    return msgspec.structs.replace(blob, media_type=_OCI_TYPES.get(blob.media_type, blob.media_type))


def _entries(descriptor: Descriptor, tags: Iterable[str]) -> list[Descriptor]:
    """One a tag, named as skopeo's ``oci:FOLDER:NAME`` asks for it."""
    names = [parse_reference(tag).familiar for tag in tags]
    return [msgspec.structs.replace(descriptor, annotations={_NAME: name}) for name in names]
