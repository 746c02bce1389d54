"""From compressed layers, wherever they come from, to an image: fetched, stored, inflated, hashed and unpacked
in one pass, several at a time.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from typing import Final, Protocol

from pier.content.store import Ingest
from pier.errors import DataCorrupted, Internal, NoSpace
from pier.images.deps import Images, Progress
from pier.images.image import Image
from pier.images.notify import Meter, figures, status
from pier.images.register import register
from pier.images.release import release_layers
from pier.oci.digest import Digest, sha256, short
from pier.oci.image import chain_id as chain_id_of
from pier.oci.image import chain_ids, parse_image
from pier.oci.manifest import Descriptor, Manifest
from pier.snapshots import diff
from pier.snapshots.diff import Applied, Unpacking
from pier.snapshots.snapshotter import LayerWriter

PARALLEL: Final = 3
_PIECE: Final = 1 << 20


class Fetch(Protocol):
    """Brings a blob's bytes from ``offset`` on; retries are its own affair, checking is not."""

    def __call__(self, descriptor: Descriptor, offset: int) -> AsyncIterator[bytes]: ...


@dataclass(frozen=True, slots=True)
class _Unpacked:
    writer: LayerWriter
    applied: Applied


async def unpack_manifest(
    images: Images,
    manifest: Manifest,
    config: bytes,
    fetch: Fetch,
    progress: Progress,
    *,
    described: Descriptor | None = None,
    slots: asyncio.Semaphore | None = None,
) -> Image:
    """Get the layers of ``manifest`` that are missing and record the image.

    ``config``: the config blob's bytes. ``described``: the manifest's own descriptor, for the record; the
    manifest's bytes are then to be in the content store. ``slots``: how many layers may come at a time, where
    several images share the limit. Raises DataCorrupted for whatever is not as promised.
    On failure no layer is left behind; what was fetched of a blob stays for the next try.
    """
    if sha256(config) != manifest.config.digest:
        raise DataCorrupted(f"image config verification failed for digest {manifest.config.digest}")
    diff_ids = parse_image(config).rootfs.diff_ids
    if len(diff_ids) != len(manifest.layers):
        raise DataCorrupted(
            f"layers from manifest don't match image configuration: {len(manifest.layers)}, {len(diff_ids)}"
        )
    blobs = [layer.digest for layer in manifest.layers]
    named = [described.digest] if described else []
    chain = chain_ids(diff_ids)
    try:
        with images.pins.hold([*chain, *blobs, *named, manifest.config.digest]):
            await unpack_layers(images, manifest.layers, diff_ids, fetch, progress, slots)
            return await register(images, config, manifest=described)
    except BaseException:
        for chain_id in reversed(chain):
            await release_layers(images, chain_id, blobs=False)
        raise


async def unpack_layers(
    images: Images,
    layers: Sequence[Descriptor],
    diff_ids: Sequence[Digest],
    fetch: Fetch,
    progress: Progress,
    slots: asyncio.Semaphore | None = None,
) -> None:
    """Get the layers that are missing and commit them. The caller pins their chain IDs."""
    chain = chain_ids(diff_ids)
    known = images.snapshots.layers()
    present = next((index for index, chain_id in enumerate(chain) if chain_id not in known), len(chain))
    for descriptor in layers[:present]:
        progress(status("Already exists", short(descriptor.digest)))
    for descriptor in layers[present:]:
        progress(status("Pulling fs layer", short(descriptor.digest)))
    work = _Work(images, fetch, progress, slots or asyncio.Semaphore(PARALLEL))
    async with AsyncExitStack() as stack:
        tasks: list[asyncio.Task[_Unpacked]] = []
        stack.push_async_callback(_abandon, tasks)
        for descriptor, diff_id in zip(layers[present:], diff_ids[present:], strict=True):
            tasks.append(asyncio.create_task(work.layer(descriptor, diff_id)))
        parent = chain[present - 1] if present else None
        for task, diff_id, descriptor in zip(tasks, diff_ids[present:], layers[present:], strict=True):
            unpacked = await _first_failure(task, tasks)
            applied = unpacked.applied
            unpacked.writer.commit(parent, diff_id, applied.size, applied.skeleton)
            parent = chain_id_of(parent, diff_id)
            progress(status("Pull complete", short(descriptor.digest)))


async def _first_failure(wanted: "asyncio.Task[_Unpacked]", tasks: "list[asyncio.Task[_Unpacked]]") -> _Unpacked:
    """The result of ``wanted``, or the first failure of any of them: nobody waits for a pull that has failed."""
    pending = set(tasks)
    while not wanted.done():
        done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    return wanted.result()


async def _abandon(tasks: "list[asyncio.Task[_Unpacked]]") -> None:
    for task in tasks:
        task.cancel()
    for task in tasks:
        with suppress(asyncio.CancelledError, Exception):
            (await task).writer.abort()


class _Work:
    """The unpacking of one image's layers."""

    def __init__(self, images: Images, fetch: Fetch, progress: Progress, slots: asyncio.Semaphore) -> None:
        self._images = images
        self._fetch = fetch
        self._progress = progress
        self._slots = slots

    async def layer(self, descriptor: Descriptor, diff_id: Digest) -> _Unpacked:
        """Fetch and unpack one layer; its blob is stored on the way when it is compressed."""
        if self._slots.locked():
            self._progress(status("Waiting", short(descriptor.digest)))
        async with self._slots, self._images.pins.lock(descriptor.digest):
            writer = self._images.snapshots.begin_layer()
            try:
                if self._images.content.exists(descriptor.digest):
                    with _registering():
                        applied = await diff.apply_layer(self._stored(descriptor), writer)
                    _check(applied, descriptor, diff_id)
                    self._images.store.add_blob(diff_id, descriptor)
                else:
                    applied = await self._fetched(descriptor, diff_id, writer)
            except BaseException:
                writer.abort()
                raise
            return _Unpacked(writer, applied)

    async def _stored(self, descriptor: Descriptor) -> AsyncIterator[bytes]:
        meter = Meter(self._progress, "Extracting", short(descriptor.digest), descriptor.size)
        with self._images.content.open(descriptor.digest) as file:
            while data := await asyncio.to_thread(file.read, _PIECE):
                meter.add(len(data))
                yield data

    async def _fetched(self, descriptor: Descriptor, diff_id: Digest, writer: LayerWriter) -> Applied:
        with self._images.content.open_ingest(descriptor.digest, resume=True) as ingest:
            if ingest.offset > descriptor.size:
                ingest.abort()
                raise DataCorrupted(f"{descriptor.digest} is longer than its manifest says")
            unpacking = await diff.begin(writer, keep=ingest.fileno())
            try:
                await self._download(descriptor, ingest.offset, unpacking)
                with _registering():
                    applied = await unpacking.finish()
                _check(applied, descriptor, diff_id)
            except DataCorrupted:
                ingest.abort()  # resuming would only fail again
                raise
            finally:
                await unpacking.abort()
            self._keep(descriptor, diff_id, ingest)
        return applied

    async def _download(self, descriptor: Descriptor, offset: int, unpacking: Unpacking) -> None:
        key = short(descriptor.digest)
        meter = Meter(self._progress, "Downloading", key, descriptor.size, offset)
        received = offset
        async with _closing(self._fetch(descriptor, offset)) as pieces:
            async for data in pieces:
                received += len(data)
                if received > descriptor.size or unpacking.broken:
                    break
                await unpacking.write(data)
                meter.add(len(data))
        meter.show()
        self._progress(status("Verifying Checksum", key))
        self._progress(status("Download complete", key))
        self._progress(figures("Extracting", key, descriptor.size, descriptor.size))

    def _keep(self, descriptor: Descriptor, diff_id: Digest, ingest: Ingest) -> None:
        """A plain tar is not kept: it can be made again from the layer."""
        if descriptor.digest == diff_id:
            ingest.abort()
            return
        ingest.adopt(descriptor.digest, descriptor.size)
        self._images.store.add_blob(diff_id, descriptor)


@asynccontextmanager
async def _closing(pieces: AsyncIterator[bytes]) -> AsyncIterator[AsyncIterator[bytes]]:
    """What was not read to its end is given up now, not when the collector finds it."""
    try:
        yield pieces
    finally:
        if isinstance(pieces, AsyncGenerator):
            await pieces.aclose()


@contextmanager
def _registering() -> Iterator[None]:
    """Say what was being done, as Docker does."""
    try:
        yield
    except (DataCorrupted, NoSpace, Internal) as error:
        raise type(error)(f"failed to register layer: {error}") from error


def _check(applied: Applied, descriptor: Descriptor, diff_id: Digest) -> None:
    if applied.digest != descriptor.digest or applied.blob_size != descriptor.size:
        raise DataCorrupted(
            f"filesystem layer verification failed for digest {descriptor.digest}: got {applied.digest} "
            f"of {applied.blob_size} bytes, expected {descriptor.size}"
        )
    if applied.diff_id != diff_id:
        raise DataCorrupted(
            f"layers from manifest don't match image configuration: {descriptor.digest} is {applied.diff_id}, "
            f"not {diff_id}"
        )
