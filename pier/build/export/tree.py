"""The file systems themselves, as one tar: for a tar of them, and for a folder that the client makes of it."""

import secrets
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Final

from pier.build.deps import Deps
from pier.build.export.made import Made
from pier.build.export.rewrite import Times, rewrite
from pier.linux import treecopy
from pier.linux.helper_tarheader import BLOCK
from pier.oci.platform import Platform

_END: Final = bytes(2 * BLOCK)


async def tree_tar(
    deps: Deps, made: Sequence[Made], *, split: bool | None, epoch: int | None
) -> AsyncGenerator[bytes, None]:
    """The root file systems; several each in a folder ``linux_amd64/``, or all over each other where not ``split``.

    ``split`` None: only where there are several. ``epoch``: the latest time of a file.
    """
    apart = len(made) > 1 if split is None else split
    for each in made:
        prefix = folder_of(each.platform).encode() + b"/" if apart else b""
        async with aclosing(_tree(deps, each)) as pieces:
            if not prefix and epoch is None and len(made) == 1:
                async for data in pieces:
                    yield data
                return
            async with aclosing(rewrite(pieces, Times(epoch), prefix, end=False)) as written:
                async for data in written:
                    yield data
    yield _END


def folder_of(platform: Platform) -> str:
    """``linux_arm_v7``."""
    return str(platform).replace("/", "_")


async def _tree(deps: Deps, made: Made) -> AsyncGenerator[bytes, None]:
    if not made.diff_ids:
        yield _END
        return
    place = deps.run / f"export-{secrets.token_hex(8)}"
    place.mkdir(mode=0o700)
    try:
        view = treecopy.View(place, (deps.snapshots.view(made.chain[-1], place),))
        async with aclosing(treecopy.pack(view)) as pieces:
            async for data in pieces:
                yield data
    finally:
        place.rmdir()
