"""Copying one folder into another, through helpers that have changed their root."""

import os
import secrets
from contextlib import aclosing
from pathlib import Path

from pier.build.threads import in_thread
from pier.linux import helper
from pier.linux.trees import remove_tree


async def copy_tree(tmp: Path, source: Path, target: Path) -> None:
    """All of the folder ``source`` into the empty folder ``target``. ``tmp`` is on the file system of ``target``."""
    replaced = tmp / f"copy-{secrets.token_hex(8)}"
    replaced.mkdir(mode=0o700)
    folder = os.open(replaced, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        packing = await helper.start_pack(source, whiteouts=False)
        try:
            unpacking = await helper.start_unpack(target, skeleton=None, replaced=folder, whiteouts=False)
            try:
                async with aclosing(packing.output()) as pieces:
                    async for data in pieces:
                        await unpacking.write(data)
                await packing.finish()
            except BrokenPipeError:
                pass  # the other helper's report says why
            finally:
                await _ended(unpacking)
        finally:
            await packing.kill()
    finally:
        os.close(folder)
        await in_thread(remove_tree, replaced)


async def _ended(unpacking: helper.Helper) -> None:
    try:
        await unpacking.finish()
    finally:
        await unpacking.kill()
