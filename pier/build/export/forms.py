"""The forms in which a layer is given out: as it came, plain, gzip or zstd."""

import asyncio
import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, aclosing
from typing import Final

import msgspec
import zstandard
from isal import isal_zlib

from pier.content.store import ONCE
from pier.images.compressing import Compressor, compressed
from pier.images.deps import Images
from pier.oci import mediatypes
from pier.oci.digest import Digest, hex_of
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


There = Callable[[Digest], Awaitable[bool]]
"""Whether a blob needs not be brought, because it is where it is to go."""


class Compression(msgspec.Struct, frozen=True):
    """``kind``: uncompressed, gzip, zstd. ``force``: also where the layer came in another form."""

    kind: str = "gzip"
    level: int | None = None
    force: bool = False


async def form(
    images: Images, layer: Layer, wanted: Compression, stack: AsyncExitStack, there: There | None = None
) -> Descriptor:
    """The layer in the form that is wanted, with OCI's media type.

    It is plain, or in the content store until ``stack`` is closed, or where ``there`` says that it is. The caller
    pins the layer.
    """
    for known in reversed(images.store.blob_of(layer.diff_id)):
        kind = _NAMES[mediatypes.compression_of(known.media_type)]
        if kind != wanted.kind and wanted.force:
            continue
        found = Descriptor(_TYPES[kind], known.digest, known.size)
        if images.content.exists(known.digest):
            stack.enter_context(images.pins.hold([known.digest]))
            return found
        if there is not None and await there(known.digest):
            return found
    if wanted.kind == "uncompressed":
        return Descriptor(mediatypes.OCI_LAYER, layer.diff_id, layer.tar_size)
    made = await _compressed(images, layer, wanted)
    stack.callback(_drop, images, made.digest)
    stack.enter_context(images.pins.hold([made.digest]))
    images.store.add_blob(layer.diff_id, made)
    return made


def _drop(images: Images, digest: Digest) -> None:
    """What was made for one output is not kept: its digest is known, and it can be made again."""
    if digest not in images.pins:
        images.content.delete(digest)


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


def _compressor(wanted: Compression) -> Compressor:
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
            async for data in compressed(made, compressor):
                ingest.write(data)
        size = ingest.offset
        digest = ingest.commit()
    except BaseException:
        ingest.abort()
        raise
    return Descriptor(_TYPES[wanted.kind], digest, size)
