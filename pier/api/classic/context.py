"""The archive in the body of ``POST /build``, unpacked: a folder that lasts as long as the request."""

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

from pier.linux import helper, trees


async def unpacked(tmp: Path, chunks: AsyncIterator[bytes]) -> Path:
    """A new folder below ``tmp`` with ``context``, the archive's files; the caller removes it with :func:`removed`.

    Raises DataCorrupted for what is no archive, NoSpace, and what ``chunks`` raise; then nothing is left.
    """
    place = Path(tempfile.mkdtemp(dir=tmp, prefix="classic-"))
    try:
        for name in ("context", "replaced"):
            (place / name).mkdir(mode=0o755)
        await _unpack(place / "context", place / "replaced", chunks)
    except BaseException:
        await removed(place)
        raise
    return place


async def removed(place: Path) -> None:
    await asyncio.shield(asyncio.to_thread(trees.remove_tree, place))


async def _unpack(root: Path, replaced: Path, chunks: AsyncIterator[bytes]) -> None:
    descriptor = os.open(replaced, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        running = await helper.start_unpack(root, skeleton=None, replaced=descriptor, hashed=False, whiteouts=False)
    finally:
        os.close(descriptor)
    try:
        with suppress(BrokenPipeError):  # the report says why
            async for chunk in chunks:
                await running.write(chunk)
        await running.finish()
    finally:
        await running.kill()
