"""The archive in the body of ``POST /build``, unpacked: a folder that lasts as long as the request."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

from pier.build.context.unpackfolder import unpack_folder
from pier.linux import trees


async def unpacked(tmp: Path, chunks: AsyncIterator[bytes]) -> Path:
    """A new folder below ``tmp`` with ``context``, the archive's files; the caller removes it with :func:`removed`.

    Raises DataCorrupted for what is no archive, NoSpace, and what ``chunks`` raise; then nothing is left.
    """
    place = Path(tempfile.mkdtemp(dir=tmp, prefix="classic-"))
    try:
        for name in ("context", "replaced"):
            (place / name).mkdir(mode=0o755)
        await unpack_folder(place / "context", place / "replaced", chunks)
    except BaseException:
        await removed(place)
        raise
    return place


async def removed(place: Path) -> None:
    await asyncio.shield(asyncio.to_thread(trees.remove_tree, place))
