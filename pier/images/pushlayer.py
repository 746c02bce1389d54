"""Bringing one layer to a registry: it is there, is mounted from elsewhere, or is uploaded."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from functools import partial
from typing import Final

from isal import isal_zlib

from pier.images.compressing import compressed
from pier.images.deps import Images, Progress
from pier.images.image import Image
from pier.images.notify import Meter, status
from pier.oci import mediatypes
from pier.oci.digest import Digest, short
from pier.oci.manifest import Descriptor
from pier.oci.reference import parse_reference
from pier.remote import push as remote_push
from pier.remote.repository import Repository
from pier.snapshots import diff
from pier.snapshots.snapshotter import Layer

_MOST_SOURCES: Final = 3
_PIECE: Final = 256 * 1024
_LEVEL: Final = 1
_GZIP: Final = 31


class LayerPusher:
    """Pushes the layers of one image to one repository; ``slots`` limits how many at a time."""

    def __init__(
        self, images: Images, repository: Repository, image: Image, slots: asyncio.Semaphore, progress: Progress
    ) -> None:
        self._images = images
        self._repository = repository
        self._image = image
        self._slots = slots
        self._progress = progress

    async def push(self, chain_id: Digest, diff_id: Digest, preferred: Descriptor | None) -> Descriptor:
        """Bring the layer there and return the form that it has there; ``preferred`` where that can be had."""
        key = short(diff_id)
        if self._slots.locked():
            self._progress(status("Waiting", key))
        async with self._slots:
            forms = self._forms(diff_id, preferred)
            if preferred is not None and mediatypes.is_foreign_layer(preferred.media_type):
                self._progress(status("Skipped foreign layer", key))
                return preferred
            for form in forms:
                if await remote_push.exists(self._repository, form.digest):
                    self._progress(status("Layer already exists", key))
                    return form
            return await self._mounted(chain_id, forms, key) or await self._uploaded(chain_id, diff_id, forms, key)

    def _forms(self, diff_id: Digest, preferred: Descriptor | None) -> list[Descriptor]:
        known = list(self._images.store.blob_of(diff_id))[::-1]
        return [preferred, *(form for form in known if form.digest != preferred.digest)] if preferred else known

    async def _mounted(self, chain_id: Digest, forms: list[Descriptor], key: str) -> Descriptor | None:
        for source in self._sources(chain_id):
            for form in forms:
                if await remote_push.mount(self._repository, form.digest, source):
                    self._progress(status(f"Mounted from {source}", key))
                    return form
        return None

    def _sources(self, chain_id: Digest) -> list[str]:
        """Repositories of the same registry that hold an image with this layer, as far as we know."""
        mine = self._repository.reference
        found: dict[str, None] = {}
        for image_id in self._images.store.images_with_layer(chain_id):
            image = self._images.store.get(image_id)
            for text in image.repo_digests if image else ():
                reference = parse_reference(text)
                if reference.domain == mine.domain and reference.path != mine.path:
                    found[reference.path] = None
        return list(found)[:_MOST_SOURCES]

    async def _uploaded(self, chain_id: Digest, diff_id: Digest, forms: list[Descriptor], key: str) -> Descriptor:
        for form in forms:
            if self._images.content.exists(form.digest):
                await remote_push.upload(self._repository, partial(self._stored, form, key), form)
                self._progress(status("Pushed", key))
                return form
        layer = self._images.snapshots.layer(chain_id)
        digest, size = await remote_push.upload(self._repository, partial(self._compressed, layer, key))
        made = Descriptor(mediatypes.DOCKER_LAYER_GZIP, digest, size)
        self._images.store.add_blob(diff_id, made)
        self._progress(status("Pushed", key))
        return made

    async def _stored(self, form: Descriptor, key: str) -> AsyncIterator[bytes]:
        meter = Meter(self._progress, "Pushing", key, form.size)
        with self._images.content.open(form.digest) as file:
            while data := await asyncio.to_thread(file.read, _PIECE):
                yield data
                meter.add(len(data))

    async def _compressed(self, layer: Layer, key: str) -> AsyncIterator[bytes]:
        """The layer's tar made again and gzipped on the way: the same bytes whenever it is done."""
        meter = Meter(self._progress, "Pushing", key, layer.size)
        gzip = isal_zlib.compressobj(_LEVEL, isal_zlib.DEFLATED, _GZIP)
        async with aclosing(diff.layer_tar(layer)) as pieces:
            async for data in compressed(_metered(pieces, meter), gzip):
                yield data


async def _metered(pieces: AsyncIterator[bytes], meter: Meter) -> AsyncIterator[bytes]:
    async for piece in pieces:
        meter.add(len(piece))
        yield piece
