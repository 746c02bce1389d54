"""The forms in which a layer is given out: as it came, plain, gzip or zstd."""

import asyncio
import secrets
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final, Protocol

import msgspec
import zstandard
from isal import isal_zlib

from pier.content.store import ONCE
from pier.images.deps import Images
from pier.oci import mediatypes
from pier.oci.digest import hex_of
from pier.oci.manifest import Descriptor
from pier.snapshots import diff
from pier.snapshots.snapshotter import Layer

_PIECE: Final = 1 << 20
_GZIP: Final = 31
_TYPES: Final = {
    "uncompressed": mediatypes.OCI_LAYER,
    "gzip": mediatypes.OCI_LAYER_GZIP,
    "zstd": mediatypes.OCI_LAYER_ZSTD,
}
_NAMES: Final = {"none": "uncompressed", "gzip": "gzip", "zstd": "zstd"}
_DOCKER: Final = {
    "none": mediatypes.DOCKER_LAYER,
    "gzip": mediatypes.DOCKER_LAYER_GZIP,
    "zstd": mediatypes.DOCKER_LAYER_ZSTD,
}


class Compression(msgspec.Struct, frozen=True):
    """``kind``: uncompressed, gzip, zstd. ``force``: also where the layer came in another form."""

    kind: str = "gzip"
    level: int | None = None
    force: bool = False


async def form(images: Images, layer: Layer, wanted: Compression) -> Descriptor:
    """The layer in the form that is wanted, with OCI's media type; it is in the content store, unless it is plain.

    The caller pins the layer.
    """
    for known in reversed(images.store.blob_of(layer.diff_id)):
        kind = _NAMES[mediatypes.compression_of(known.media_type)]
        if (kind == wanted.kind or not wanted.force) and images.content.exists(known.digest):
            return Descriptor(_TYPES[kind], known.digest, known.size)
    if wanted.kind == "uncompressed":
        return Descriptor(mediatypes.OCI_LAYER, layer.diff_id, layer.tar_size)
    return await _compressed(images, layer, wanted)


def as_docker(form: Descriptor) -> Descriptor:
    """The same form under Docker's media type."""
    kind = mediatypes.compression_of(form.media_type)
    return msgspec.structs.replace(form, media_type=_DOCKER[kind])


def as_oci(form: Descriptor) -> Descriptor:
    """The same form under OCI's media type."""
    kind = _NAMES[mediatypes.compression_of(form.media_type)]
    return msgspec.structs.replace(form, media_type=_TYPES[kind])


async def pieces(images: Images, layer: Layer, form: Descriptor) -> AsyncGenerator[bytes, None]:
    """The bytes of a form. Raises DataCorrupted where a layer is not what it was."""
    if form.digest == layer.diff_id:
        async with aclosing(diff.layer_tar(layer)) as made:
            async for data in made:
                yield data
        return
    with images.content.open(form.digest) as file:
        while data := await asyncio.to_thread(file.read, _PIECE):
            yield data


class _Compressor(Protocol):
    def compress(self, data: bytes, /) -> bytes: ...

    def flush(self) -> bytes: ...


def _compressor(wanted: Compression) -> _Compressor:
    if wanted.kind == "zstd":
        return zstandard.ZstdCompressor(level=3 if wanted.level is None else wanted.level).compressobj()
    level = 1 if wanted.level is None else min(wanted.level, isal_zlib.ISAL_BEST_COMPRESSION)
    return isal_zlib.compressobj(level, isal_zlib.DEFLATED, _GZIP)


async def _compressed(images: Images, layer: Layer, wanted: Compression) -> Descriptor:
    """Compress the layer into the content store: the same bytes whenever, and wherever, that is done."""
    compressor = _compressor(wanted)
    ingest = images.content.open_ingest(f"{ONCE}{hex_of(layer.diff_id)}-{secrets.token_hex(4)}")
    try:
        async with aclosing(diff.layer_tar(layer)) as made:
            async for data in made:
                ingest.write(await asyncio.to_thread(compressor.compress, data))
        ingest.write(await asyncio.to_thread(compressor.flush))
        size = ingest.offset
        digest = ingest.commit()
    except BaseException:
        ingest.abort()
        raise
    descriptor = Descriptor(_TYPES[wanted.kind], digest, size)
    images.store.add_blob(layer.diff_id, descriptor)
    return descriptor
