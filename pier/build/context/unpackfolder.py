"""An archive becomes a folder: in a helper that has changed root into it."""

import os
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

from pier.linux import helper


async def unpack_folder(root: Path, replaced: Path, chunks: AsyncIterator[bytes]) -> None:
    """Fill the empty folder ``root``; ``replaced`` is an empty folder for what the archive itself replaces.

    Raises DataCorrupted for what is no archive, NoSpace, and what ``chunks`` raise.
    """
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
