"""Between tars and layers: unpack, make again, make new.

The work is done by helper processes that have changed their root, so nothing in a tar can reach outside its
folder; hashing, inflating, storing and unpacking are one pass.
"""

import os
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import ExitStack, aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pier.errors import DataCorrupted, NotFound
from pier.linux import helper
from pier.linux.helper import Helper
from pier.oci.digest import Digest
from pier.snapshots.snapshotter import Layer, LayerWriter, Skeleton

SKELETON: Final = "skeleton"
REPLACED: Final = "replaced"


@dataclass(frozen=True, slots=True)
class Applied:
    """What came of unpacking a layer.

    ``diff_id`` and ``tar_size`` are of the plain tar, ``digest`` and ``blob_size`` of the bytes that came;
    ``size`` counts the bytes of files and of links' targets, as Docker does for layers that come.
    """

    diff_id: Digest
    tar_size: int
    digest: Digest
    blob_size: int
    size: int
    skeleton: Skeleton


@dataclass(frozen=True, slots=True)
class Packed:
    """A tar that was made: its digest and its length."""

    diff_id: Digest
    size: int


class Unpacking:
    """A layer being unpacked from bytes that are pushed to it. End it with ``finish`` or ``abort``."""

    def __init__(self, running: Helper, writer: LayerWriter) -> None:
        self._helper = running
        self._writer = writer
        self._broken = False

    async def write(self, data: bytes | memoryview) -> None:
        """Unpack ``data`` too. Where unpacking has failed already ``finish`` says why, and more is ignored."""
        if not self._broken:
            try:
                await self._helper.write(data)
            except BrokenPipeError:
                self._broken = True

    @property
    def broken(self) -> bool:
        """Whether unpacking has failed: more bytes are of no use."""
        return self._broken

    async def finish(self) -> Applied:
        """Raises DataCorrupted (a bad tar), NoSpace."""
        report = await self._helper.finish()
        return Applied(
            Digest(report["diff_id"]),
            report["tar_size"],
            Digest(report["blob_digest"]),
            report["blob_size"],
            report["size"],
            Skeleton(self._writer.side / SKELETON, report["tar_size"]),
        )

    async def abort(self) -> None:
        """Stop. Idempotent, and after ``finish`` without effect."""
        await self._helper.kill()


async def begin(writer: LayerWriter, *, keep: int | None = None, hashed: bool = True) -> Unpacking:
    """Start unpacking into ``writer``.

    ``keep``: a descriptor that gets the bytes as they come; what it already holds is unpacked first.
    ``hashed``: whether the digest of compressed bytes is wanted; without it, ``digest`` is ``diff_id``.
    """
    with ExitStack() as stack:
        skeleton = os.open(writer.side / SKELETON, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        stack.callback(os.close, skeleton)
        (writer.side / REPLACED).mkdir(mode=0o700)
        replaced = os.open(writer.side / REPLACED, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        stack.callback(os.close, replaced)
        running = await helper.start_unpack(writer.root, skeleton=skeleton, replaced=replaced, keep=keep, hashed=hashed)
    return Unpacking(running, writer)


async def apply_layer(source: AsyncIterator[bytes], writer: LayerWriter, *, keep: int | None = None) -> Applied:
    """Unpack all of ``source`` into ``writer``; see :func:`begin`. On failure the writer is still the caller's."""
    unpacking = await begin(writer, keep=keep)
    try:
        async for data in source:
            await unpacking.write(data)
            if unpacking.broken:
                break
        return await unpacking.finish()
    finally:
        await unpacking.abort()


async def layer_tar(layer: Layer) -> AsyncGenerator[bytes, None]:
    """The exact tar that ``layer.diff_id`` names, made again from its files.

    Raises NotFound for a layer without a skeleton, and DataCorrupted, at the end at the latest, when the
    files are not what they were.
    """
    running = await _regenerate(layer)
    try:
        async with aclosing(running.output()) as pieces:
            async for data in pieces:
                yield data
        made = Digest((await running.finish())["diff_id"])
    finally:
        await running.kill()
    if made != layer.diff_id:
        raise DataCorrupted(f"layer {layer.chain_id} has changed on disk: its tar is {made}, not {layer.diff_id}")


async def _regenerate(layer: Layer) -> Helper:
    if layer.skeleton is None:
        raise NotFound(f"layer {layer.chain_id} has no record of its tar")
    with ExitStack() as stack:
        descriptors = []
        for path, flags in ((layer.skeleton, 0), (layer.root.parent / REPLACED, os.O_DIRECTORY)):
            try:
                descriptors.append(os.open(path, os.O_RDONLY | flags | os.O_CLOEXEC))
            except FileNotFoundError as error:
                raise DataCorrupted(f"layer {layer.chain_id} is damaged: {path} is missing") from error
            stack.callback(os.close, descriptors[-1])
        return await helper.start_regenerate(layer.root, skeleton=descriptors[0], replaced=descriptors[1])


class Packing:
    """A new tar of a folder: iterate to its end, then ask ``result``."""

    def __init__(self, folder: Path, *, whiteouts: bool) -> None:
        self._folder = folder
        self._whiteouts = whiteouts
        self._result: Packed | None = None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        running = await helper.start_pack(self._folder, whiteouts=self._whiteouts)
        try:
            async with aclosing(running.output()) as pieces:
                async for data in pieces:
                    yield data
            report = await running.finish()
            self._result = Packed(Digest(report["diff_id"]), report["tar_size"])
        finally:
            await running.kill()

    @property
    def result(self) -> Packed:
        """What was made. Meaningful after the last piece."""
        assert self._result is not None, "the tar has not been read to its end"
        return self._result


def write_diff(upper: Path) -> Packing:
    """The tar of what a container changed: ``upper`` is its overlay's upper folder. For commit."""
    return Packing(upper, whiteouts=True)


def write_tree(root: Path) -> Packing:
    """The tar of all of a folder, such as a container's root. For export."""
    return Packing(root, whiteouts=False)
