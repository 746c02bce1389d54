"""An image archive taken in, entry by entry, in whatever order they come.

What looks like a layer goes straight into a layer folder of its own, small files are kept in memory, and only
when all is read the manifests say what belongs together. Layers that are not claimed are dropped.
"""

import asyncio
import hashlib
import posixpath
import re
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Final

from pier.content.store import ONCE, Ingest
from pier.errors import DataCorrupted, PierError
from pier.images.deps import Images, Progress
from pier.images.notify import Meter
from pier.images.tarstream import TarStream, is_compressed, is_tar
from pier.linux.helper_tarheader import LINK, REGULAR, SYMLINK, Header, TarError, clean, printable
from pier.oci.digest import PREFIX, Digest, from_hex
from pier.snapshots import diff
from pier.snapshots.diff import Applied, Unpacking
from pier.snapshots.snapshotter import LayerWriter

_SMALL: Final = 8 * 1024 * 1024
_ALL_SMALL: Final = 64 * 1024 * 1024
_MOST_ENTRIES: Final = 20_000
_UNFINISHED: Final = 3
_HEX: Final = re.compile(rb"[0-9a-f]{64}")
_FOLLOW: Final = 8


@dataclass(slots=True)
class StagedLayer:
    """A layer that was unpacked, but has no parent yet; or (``writer`` None) one known to be here already."""

    diff_id: Digest
    digest: Digest
    blob_size: int
    writer: LayerWriter | None = None
    applied: Applied | None = None
    ingest: Ingest | None = None


class Staging:
    """What came out of one archive. Leaving its block drops all that was not committed."""

    def __init__(self, images: Images, progress: Progress) -> None:
        self._images = images
        self._progress = progress
        self._layers: dict[bytes, StagedLayer | asyncio.Task[StagedLayer]] = {}
        self._small: dict[bytes, bytes] = {}
        self._links: dict[bytes, bytes] = {}
        self._small_bytes = 0
        self._cleanup = ExitStack()

    async def __aenter__(self) -> "Staging":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        tasks = [task for task in self._layers.values() if isinstance(task, asyncio.Task)]
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError, PierError):
                await task
        self._cleanup.close()

    async def take_in(self, source: AsyncIterator[bytes]) -> None:
        """Read the whole archive. Raises DataCorrupted, NoSpace."""
        stream = TarStream(source)
        count = 0
        async for header in stream.entries():
            count += 1
            if count > _MOST_ENTRIES:
                raise DataCorrupted(f"archive has more than {_MOST_ENTRIES} entries")
            try:
                name = clean(header.name)
                if header.kind in (SYMLINK, LINK):
                    base = posixpath.dirname(name) if header.kind == SYMLINK else b""
                    self._links[name] = clean(posixpath.join(base, header.link))
                elif header.kind == REGULAR:
                    await self._file(stream, header, name)
            except TarError as error:
                raise DataCorrupted(str(error)) from error
        for name, layer in list(self._layers.items()):
            self._layers[name] = await layer if isinstance(layer, asyncio.Task) else layer

    def small(self, name: str) -> bytes | None:
        """A small file's bytes; None where the archive has none of that name."""
        return self._small.get(self._resolved(name))

    def layer(self, name: str) -> StagedLayer | None:
        found = self._layers.get(self._resolved(name))
        assert not isinstance(found, asyncio.Task), "the archive has not been read to its end"
        return found

    def blob(self, digest: Digest) -> bytes | None:
        """A small blob of an OCI layout, checked. Raises DataCorrupted."""
        data = self.small(f"blobs/sha256/{digest.removeprefix(PREFIX)}")
        if data is not None and PREFIX + hashlib.sha256(data).hexdigest() != digest:
            raise DataCorrupted(f"blob {digest} of the archive does not have that digest")
        return data

    def layer_blob(self, digest: Digest) -> StagedLayer | None:
        """A layer of an OCI layout, checked. Raises DataCorrupted."""
        layer = self.layer(f"blobs/sha256/{digest.removeprefix(PREFIX)}")
        if layer is not None and layer.digest != digest:
            raise DataCorrupted(f"blob {digest} of the archive has the digest {layer.digest}")
        return layer

    def present(self, diff_id: Digest) -> StagedLayer | None:
        """The layer of that diff which is here already, under whatever parent."""
        layer = self._images.snapshots.with_diff(diff_id)
        return StagedLayer(diff_id, diff_id, layer.tar_size) if layer else None

    def _resolved(self, name: str) -> bytes:
        key = name.encode("utf-8", "surrogateescape")
        for _ in range(_FOLLOW):
            if key not in self._links:
                break
            key = self._links[key]
        return key

    async def _file(self, stream: TarStream, header: Header, name: bytes) -> None:
        first = await stream.peek(512)
        compressed = is_compressed(first)
        if compressed or is_tar(first):
            await self._drop_old(name)
            known = self._known(name)
            if known is not None and not compressed:
                self._layers[name] = await self._verify(stream, known)
            else:
                await self._unpack(stream, header, name, compressed)
        elif header.size <= _SMALL:
            await self._keep_small(stream, name)

    async def _drop_old(self, name: bytes) -> None:
        """An archive may hold a name twice: the last one counts."""
        old = self._layers.pop(name, None)
        if isinstance(old, asyncio.Task):
            await old

    async def _keep_small(self, stream: TarStream, name: bytes) -> None:
        parts = [bytes(piece) async for piece in stream.pieces()]
        self._small[name] = b"".join(parts)
        self._small_bytes += len(self._small[name]) + len(name)
        if self._small_bytes > _ALL_SMALL:
            raise DataCorrupted("archive holds too many files that are no layers")

    def _known(self, name: bytes) -> Digest | None:
        """The diff that ``blobs/sha256/<hex>`` claims to be, when such a layer is here already."""
        base = name.rpartition(b"/")[2]
        if not name.startswith(b"blobs/sha256/") or not _HEX.fullmatch(base):
            return None
        diff_id = from_hex(base.decode())
        return diff_id if self._images.snapshots.with_diff(diff_id) is not None else None

    async def _verify(self, stream: TarStream, claimed: Digest) -> StagedLayer:
        """Hash a layer that need not be unpacked again. Raises DataCorrupted where the claim is wrong."""
        sha = hashlib.sha256()
        size = 0
        async for piece in stream.pieces():
            sha.update(piece)
            size += len(piece)
        found = Digest(PREFIX + sha.hexdigest())
        if found != claimed:
            raise DataCorrupted(f"blob {claimed} of the archive has the digest {found}")
        return StagedLayer(found, found, size)

    async def _unpack(self, stream: TarStream, header: Header, name: bytes, compressed: bool) -> None:
        await self._limit_unfinished()
        meter = Meter(self._progress, "Loading layer", _key(name), header.size)
        writer = self._images.snapshots.begin_layer()
        self._cleanup.callback(writer.abort)
        ingest = self._open_ingest(name) if compressed else None
        unpacking = await diff.begin(writer, keep=ingest.fileno() if ingest else None, hashed=compressed)
        try:
            async for piece in stream.pieces():
                await unpacking.write(piece)
                if unpacking.broken:
                    break
                meter.add(len(piece))
        except BaseException:
            await unpacking.abort()
            raise
        task = asyncio.create_task(_finish(unpacking, writer, ingest, meter.show, printable(name)))
        self._layers[name] = task
        if unpacking.broken:
            await task

    def _open_ingest(self, name: bytes) -> Ingest | None:
        """Where a compressed layer of an OCI layout is kept as it came, so that it can be pushed so."""
        base = name.rpartition(b"/")[2]
        if not name.startswith(b"blobs/sha256/") or not _HEX.fullmatch(base):
            return None
        digest = PREFIX + base.decode()
        if self._images.content.exists(Digest(digest)):
            return None
        ingest = self._images.content.open_ingest(f"{ONCE}{base.decode()}-{secrets.token_hex(4)}")
        self._cleanup.callback(ingest.abort)
        return ingest

    async def _limit_unfinished(self) -> None:
        """Helpers still busy with the last bytes of their layers: a few may be, while the next one reads."""
        busy = [task for task in self._layers.values() if isinstance(task, asyncio.Task) and not task.done()]
        if len(busy) >= _UNFINISHED:
            await busy[0]


async def _finish(
    unpacking: Unpacking, writer: LayerWriter, ingest: Ingest | None, show: Callable[[], None], name: str
) -> StagedLayer:
    try:
        applied = await unpacking.finish()
    except DataCorrupted as error:
        raise DataCorrupted(f"{error} (in {name})" if str(error) != "unexpected EOF" else str(error)) from error
    finally:
        await unpacking.abort()
    show()
    return StagedLayer(applied.diff_id, applied.digest, applied.blob_size, writer, applied, ingest)


def _key(name: bytes) -> str:
    """What progress calls a layer: the first digits of a digest in its name, else the name."""
    found = _HEX.search(name)
    return (found[0] if found else name)[:12].decode("utf-8", "replace")
