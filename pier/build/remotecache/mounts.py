"""Cache mounts that travel (``mounts=true``): pip's and npm's downloads, for a machine that has none yet.

Each is a tar of its folder, compressed. It is fetched when a step first wants a mount whose folder is empty here.
"""

import asyncio
import os
import secrets
import shutil
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, aclosing
from pathlib import Path
from typing import Final

import zstandard

from pier.build.deps import Build
from pier.build.export.layout import Blob
from pier.build.export.steps import step
from pier.build.remotecache.format import MOUNT
from pier.build.remotecache.importing import imported
from pier.build.remotecache.sources import Source
from pier.build.threads import in_thread
from pier.content.store import ONCE
from pier.errors import DataCorrupted, PierError
from pier.images.compressing import compressed
from pier.images.deps import Images
from pier.linux import helper
from pier.linux.trees import remove_tree
from pier.oci import mediatypes
from pier.oci.manifest import Descriptor
from pier.snapshots import diff

_PIECE: Final = 1 << 20
_LEVEL: Final = 3


async def mount_blobs(images: Images, folders: Mapping[str, Path], stack: AsyncExitStack) -> list[Blob]:
    """The mounts, by ID, as blobs; they are on the disk until ``stack`` is closed. Empty ones do not travel."""
    found: list[Blob] = []
    for name, folder in sorted(folders.items()):
        if await asyncio.to_thread(_is_empty, folder):
            continue
        found.append(await _packed(images, name, folder, stack))
    return found


def _is_empty(folder: Path) -> bool:
    try:
        with os.scandir(folder) as entries:
            return next(entries, None) is None
    except FileNotFoundError:
        return True


async def fill(build: Build, name: str, folder: Path) -> bool:
    """Unpack the mount ``name`` of an imported cache into ``folder``, which must be there; nobody may use it yet.

    A folder that has something in it is left alone, as is one for which no cache has anything; what cannot be
    read leaves it empty. Returns whether anything came.
    """
    remote = imported(build)
    place = remote.mount(name) if remote is not None else None
    if place is None or not await asyncio.to_thread(_is_empty, folder):
        return False
    source, descriptor = place
    try:
        with step(build.progress, f"{build.request.id} {name}", f"[internal] load cache mount {name}"):
            await _unpack(build.deps.images.tmp, source, descriptor, folder)
    except (PierError, OSError):
        await in_thread(_clear, folder)
        return False
    except BaseException:
        _clear(folder)
        raise
    return True


async def _unpack(tmp: Path, source: Source, descriptor: Descriptor, folder: Path) -> None:
    """Raises DataCorrupted where it is not what its digest says."""
    replaced = tmp / f"mount-{secrets.token_hex(8)}"
    replaced.mkdir(mode=0o700)
    descriptor_of = os.open(replaced, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        running = await helper.start_unpack(folder, skeleton=None, replaced=descriptor_of, whiteouts=False)
        try:
            received = 0
            async for data in source.pieces(descriptor, 0):
                received += len(data)
                if received > descriptor.size:
                    break
                await running.write(data)
            report = await running.finish()
        except BrokenPipeError:
            report = await running.finish()
        finally:
            await running.kill()
    finally:
        os.close(descriptor_of)
        await in_thread(shutil.rmtree, replaced, ignore_errors=True)
    if report["blob_digest"] != descriptor.digest:
        raise DataCorrupted(f"cache mount {descriptor.digest} has the digest {report['blob_digest']}")


def _clear(folder: Path) -> None:
    for entry in list(os.scandir(folder)):
        remove_tree(folder / entry.name)


async def _packed(images: Images, name: str, folder: Path, stack: AsyncExitStack) -> Blob:
    """Pack one folder into the content store, from which it goes again when ``stack`` is closed."""
    compressor = zstandard.ZstdCompressor(level=_LEVEL).compressobj()
    ingest = images.content.open_ingest(f"{ONCE}mount-{secrets.token_hex(8)}")
    try:
        async with aclosing(_tree(folder)) as made:
            async for data in compressed(made, compressor):
                ingest.write(data)
        size, digest = ingest.offset, ingest.commit()
    except BaseException:
        ingest.abort()
        raise
    stack.enter_context(images.pins.hold([digest]))
    stack.callback(images.content.delete, digest)
    described = Descriptor(mediatypes.OCI_LAYER_ZSTD, digest, size, annotations={MOUNT: name})

    async def pieces() -> AsyncGenerator[bytes, None]:
        with images.content.open(digest) as file:
            while data := await asyncio.to_thread(file.read, _PIECE):
                yield data

    return Blob(described, pieces)


async def _tree(folder: Path) -> AsyncGenerator[bytes, None]:
    async for data in diff.write_tree(folder):
        yield data
