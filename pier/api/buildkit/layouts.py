"""OCI layouts to and from a client: its cache folders."""

import asyncio
import tarfile
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO, Final

import msgspec

from pier.api.buildkit.contentstore import ContentStore
from pier.errors import DataCorrupted
from pier.oci import mediatypes
from pier.oci.digest import Digest, hex_of, parse_digest, sha256
from pier.oci.manifest import MAX_MANIFEST_BYTES, Descriptor, Index, encode, parse_manifest

_PIECE: Final = 1 << 20
_LAYOUT: Final = b'{"imageLayoutVersion":"1.0.0"}'


@asynccontextmanager
async def fetched(store: ContentStore, root: Digest, tmp: Path) -> AsyncIterator[Path]:
    """Yield a layout that has ``root`` and all that it names. Raises NotFound, DataCorrupted."""
    with tempfile.TemporaryDirectory(dir=tmp) as name:
        folder = Path(name)
        blobs = folder / "blobs/sha256"
        blobs.mkdir(parents=True)
        (folder / "oci-layout").write_bytes(_LAYOUT)
        media_type = await _fetch_tree(store, root, blobs)
        entry = Descriptor(media_type, root, await store.size(root))
        (folder / "index.json").write_bytes(
            encode(Index(schema_version=2, media_type=mediatypes.OCI_INDEX, manifests=[entry]))
        )
        yield folder


async def _fetch_tree(store: ContentStore, root: Digest, blobs: Path) -> str:
    """Fetch a manifest and what is below it; returns its media type."""
    data = b""
    async for piece in store.read(root):
        data += piece
        if len(data) > MAX_MANIFEST_BYTES:
            raise DataCorrupted(f"manifest {root} is too large")
    if sha256(data) != root:
        raise DataCorrupted(f"blob {root} of the client does not have that digest")
    (blobs / hex_of(root)).write_bytes(data)
    parsed = parse_manifest(data, None)
    if isinstance(parsed, Index):
        for entry in parsed.manifests:
            await _fetch_named(store, entry, blobs)
    else:
        for entry in (parsed.config, *parsed.layers):
            await _fetch_blob(store, entry.digest, blobs)
    return parsed.media_type


async def _fetch_named(store: ContentStore, entry: Descriptor, blobs: Path) -> None:
    """Of an index: manifests, and in caches of BuildKit's the blobs themselves."""
    if "manifest" in entry.media_type or "image.index" in entry.media_type:
        await _fetch_tree(store, entry.digest, blobs)
    else:
        await _fetch_blob(store, entry.digest, blobs)


async def _fetch_blob(store: ContentStore, digest: Digest, blobs: Path) -> None:
    """Its digest is checked when it is used."""
    path = blobs / hex_of(parse_digest(digest))
    if path.exists():
        return
    with path.open("wb") as file:
        async for piece in store.read(digest):
            await asyncio.to_thread(file.write, piece)


async def stored(store: ContentStore, tmp: Path, chunks: AsyncIterator[bytes]) -> Descriptor:
    """Give the client the blobs of a layout that comes as a tar; returns its index's first entry. DataCorrupted."""
    with tempfile.TemporaryFile(dir=tmp) as spool:
        async for chunk in chunks:
            await asyncio.to_thread(spool.write, chunk)
        spool.seek(0)
        entry = None
        with tarfile.open(fileobj=spool, mode="r:") as tar:
            members = await asyncio.to_thread(tar.getmembers)
        for member in members:
            if member.name.removeprefix("./") == "index.json":
                index = parse_manifest(_read(spool, member.offset_data, member.size), None)
                entry = index.manifests[0] if isinstance(index, Index) and index.manifests else None
            elif member.isreg() and "blobs/sha256/" in member.name:
                await _store_blob(store, spool, member)
    if entry is None:
        raise DataCorrupted("the layout has no index")
    return entry


async def _store_blob(store: ContentStore, spool: IO[bytes], member: tarfile.TarInfo) -> None:
    digest = parse_digest("sha256:" + member.name.rpartition("/")[2])
    if await store.has(digest):
        return

    async def pieces() -> AsyncIterator[bytes]:
        for at in range(0, member.size, _PIECE):
            yield await asyncio.to_thread(_read, spool, member.offset_data + at, min(_PIECE, member.size - at))

    await store.write(digest, member.size, pieces())


def _read(spool: IO[bytes], offset: int, size: int) -> bytes:
    spool.seek(offset)
    return spool.read(size)


def entry_json(entry: Descriptor) -> bytes:
    """What the client writes into the folder's own index."""
    return msgspec.json.encode(entry)
