"""ADD's archives: telling them from other files, and unpacking them where they are wanted."""

import bz2
import lzma
import os
import stat
import zlib
from contextlib import suppress

import zstandard

from pier.build.threads import in_thread
from pier.build.worktree import Worktree
from pier.linux import helper
from pier.linux.files import open_in_root

_HEAD = 64 * 1024
_BLOCK = 512
_CHUNK = 256 * 1024


def is_archive(root: int, path: str) -> bool:
    """Whether it is a file and a tar, plain or compressed: its first header is one. Blocks, shortly."""
    descriptor = open_in_root(root, path, os.O_RDONLY | os.O_NONBLOCK, follow=False)
    try:
        return stat.S_ISREG(os.fstat(descriptor).st_mode) and _is_header(_inflated(os.read(descriptor, _HEAD))[:_BLOCK])
    finally:
        os.close(descriptor)


def _inflated(head: bytes) -> bytes:
    """The beginning of what ``head`` is compressed from; itself where it is not."""
    with suppress(zlib.error, OSError, ValueError, lzma.LZMAError, zstandard.ZstdError, EOFError):
        if head.startswith(b"\x1f\x8b"):
            return zlib.decompressobj(wbits=31).decompress(head, _BLOCK)
        if head.startswith(b"BZh"):
            return bz2.BZ2Decompressor().decompress(head, _BLOCK)
        if head.startswith(b"\xfd7zXZ\0"):
            return lzma.LZMADecompressor(memlimit=256 << 20).decompress(head, _BLOCK)
        if head.startswith(b"\x28\xb5\x2f\xfd"):
            return zstandard.ZstdDecompressor().stream_reader(head).read(_BLOCK)
    return head


def _is_header(block: bytes) -> bool:
    """A tar header says what its bytes add up to (POSIX.1-2001, pax)."""
    if len(block) < _BLOCK or not block.strip(b"\0"):
        return False
    try:
        told = int(block[148:156].strip(b" \0") or b"x", 8)
    except ValueError:
        return False
    return told == sum(block[:148]) + 8 * 32 + sum(block[156:])


async def unpack_at(root: int, path: str, tree: Worktree, folder: str) -> None:
    """Unpack the archive into ``folder`` of the tree, which is there and has no links in its path.

    Raises DataCorrupted for a broken archive, NoSpace.
    """
    archive = open_in_root(root, path, os.O_RDONLY | os.O_NONBLOCK, follow=False)
    try:
        running = await helper.start_land(tree.root / folder)
        try:
            with suppress(BrokenPipeError):  # the report says why
                while data := await in_thread(os.read, archive, _CHUNK):
                    await running.write(data)
            await running.finish()
        finally:
            await running.kill()
    finally:
        os.close(archive)
